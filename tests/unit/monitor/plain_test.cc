// The parts of the monitor that need no loop and no socket: delays, addresses, services, texts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>

#include "base/limits.h"
#include "base/spawn.h"
#include "monitor/backoff.h"
#include "monitor/child.h"
#include "monitor/dialer.h"
#include "monitor/resolver.h"
#include "monitor/services.h"

namespace localproxy::monitor {
namespace {

using namespace std::chrono_literals;
using config::Mode;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

// ---- Backoff ----

TEST(BackoffTest, WaitsBetweenHalfOfTheDelayAndAllOfIt) {
  for (const uint32_t random : {0U, 1U, 499U, 500U, 501U, 12'345'678U, UINT32_MAX}) {
    Backoff backoff(1'000ms);
    const milliseconds wait = backoff.next(random);
    EXPECT_GE(wait, 500ms) << random;
    EXPECT_LT(wait, 1'000ms) << random;
  }
  Backoff least(1'000ms), most(1'000ms);
  EXPECT_EQ(least.next(0), 500ms);
  EXPECT_EQ(most.next(499), 999ms);
}

TEST(BackoffTest, TheDelayDoublesUpToItsMaximum) {
  Backoff backoff(2'500ms);
  milliseconds delay = 2'500ms;
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(backoff.next(0), delay / 2) << i;
    delay = std::min(delay * 2, limits::kBackoffMost);
  }
  EXPECT_EQ(delay, limits::kBackoffMost);
}

TEST(BackoffTest, BeginsAgainAfterAReset) {
  Backoff backoff(2'500ms);
  for (int i = 0; i < 4; ++i)
    backoff.next(0);
  EXPECT_EQ(backoff.next(0), 20'000ms);
  backoff.reset();
  EXPECT_EQ(backoff.next(0), 1'250ms);
}

TEST(BackoffTest, AFirstDelayAboveTheMaximumStays) {
  Backoff backoff(limits::kBackoffMost * 2);
  EXPECT_EQ(backoff.next(0), limits::kBackoffMost);
  EXPECT_EQ(backoff.next(0), limits::kBackoffMost);
}

TEST(BackoffTest, ATinyDelayIsNoDivisionByZero) {
  Backoff none(0ms), one(1ms);
  EXPECT_EQ(none.next(7), 0ms);
  EXPECT_EQ(none.next(7), 0ms);
  EXPECT_EQ(one.next(7), 0ms);
  EXPECT_EQ(one.next(7), 1ms);
}

// ---- addresses ----

std::vector<std::string> interleaved(const std::vector<std::string>& hosts) {
  std::vector<Address> addresses;
  for (const std::string& host : hosts)
    addresses.push_back(*parse_address(host, 1));
  std::vector<std::string> out;
  for (const Address& address : interleave_families(addresses))
    out.push_back(host_of(address));
  return out;
}

TEST(InterleaveTest, FamiliesTakeTurnsBeginningWithTheFirst) {
  EXPECT_THAT(interleaved({}), ElementsAre());
  EXPECT_THAT(interleaved({"10.0.0.1"}), ElementsAre("10.0.0.1"));
  EXPECT_THAT(interleaved({"10.0.0.1", "10.0.0.2"}), ElementsAre("10.0.0.1", "10.0.0.2"));
  EXPECT_THAT(interleaved({"::1", "::2", "10.0.0.1", "10.0.0.2"}),
              ElementsAre("::1", "10.0.0.1", "::2", "10.0.0.2"));
  EXPECT_THAT(interleaved({"10.0.0.1", "10.0.0.2", "10.0.0.3", "::1"}),
              ElementsAre("10.0.0.1", "::1", "10.0.0.2", "10.0.0.3"));
  EXPECT_THAT(interleaved({"10.0.0.1", "::1", "::2", "::3"}), ElementsAre("10.0.0.1", "::1", "::2", "::3"));
}

std::vector<std::string> known(const std::string& host) {
  std::vector<std::string> out;
  for (const Address& address : known_addresses(host, 5'555))
    out.push_back(to_string(address));
  return out;
}

TEST(KnownAddressesTest, LiteralsAndLocalhostNeedNoLookup) {
  EXPECT_THAT(known("10.1.2.3"), ElementsAre("10.1.2.3:5555"));
  EXPECT_THAT(known("2001:db8::1"), ElementsAre("[2001:db8::1]:5555"));
  EXPECT_THAT(known("localhost"), ElementsAre("127.0.0.1:5555", "[::1]:5555"));
}

TEST(KnownAddressesTest, EverythingElseDoes) {
  for (const char* host :
       {"", "example.com", "10.1.2", "010.1.2.3", "10.1.2.3.", "[::1]", "localhost.", "::1%lo"})
    EXPECT_THAT(known(host), ElementsAre()) << host;
}

// ---- match_services ----

struct Match {
  const char* name;
  Mode mode;
  std::vector<std::string> given;
  std::vector<std::string> tunnel;
  std::optional<Assignment> expected;
  std::vector<std::string> error_has = {};
};

class MatchTest : public testing::TestWithParam<Match> {};

TEST_P(MatchTest, Assigns) {
  const Match& match = GetParam();
  std::vector<config::ServiceMapping> mappings;
  for (const std::string& id : match.given)
    mappings.push_back({id, {}});
  const auto result = match_services(match.mode, mappings, match.tunnel);
  ASSERT_EQ(result.ok(), match.expected.has_value());
  if (result.ok()) {
    EXPECT_EQ(*result, *match.expected);
    return;
  }
  EXPECT_THAT(result.error().text(), HasSubstr("the services do not match"));
  for (const std::string& part : match.error_has)
    EXPECT_THAT(result.error().text(), HasSubstr(part));
}

constexpr Mode kSource = Mode::kSource;
constexpr Mode kDestination = Mode::kDestination;

INSTANTIATE_TEST_SUITE_P(
    Services, MatchTest,
    testing::Values(
        Match{"OneAndOne", kSource, {"A"}, {"A"}, Assignment{0}},
        Match{"InAnotherOrder", kDestination, {"A", "B", "C"}, {"C", "A", "B"}, Assignment{2, 0, 1}},
        Match{"APortForTheOnlyService", kDestination, {""}, {"A"}, Assignment{0}},
        Match{"APortForATunnelWithoutServices", kSource, {""}, {""}, Assignment{0}},
        Match{
            "ASourceWithoutAMapPicksPorts", kSource, {}, {"A", "B"}, Assignment{std::nullopt, std::nullopt}},
        Match{"ASourceWithoutAMapOrServices", kSource, {}, {""}, Assignment{std::nullopt}},
        Match{"ADestinationWithoutAMap", kDestination, {}, {"A"}, std::nullopt, {"has A;", "-d gives none"}},
        Match{"ADestinationWithoutAMapOrServices", kDestination, {}, {""}, std::nullopt, {"as in -d PORT"}},
        Match{"TooMany", kSource, {"A", "B"}, {"A"}, std::nullopt, {"has A;", "-s gives A, B", "-s A=PORT"}},
        Match{"TooFew", kDestination, {"A"}, {"A", "B"}, std::nullopt, {"has A, B;", "-d gives A."}},
        Match{"AnotherName", kSource, {"X"}, {"A"}, std::nullopt, {"has A;", "-s gives X"}},
        Match{"OneOfTwoNames", kSource, {"A", "X"}, {"A", "B"}, std::nullopt, {"has A, B;", "-s gives A, X"}},
        Match{"OnePortForTwo", kSource, {""}, {"A", "B"}, std::nullopt, {"gives (one without an id)"}},
        Match{"ANameForATunnelWithoutServices",
              kSource,
              {"A"},
              {""},
              std::nullopt,
              {"has (one without an id);"}},
        Match{"CaseMatters", kSource, {"ssh"}, {"SSH"}, std::nullopt, {"has SSH;", "gives ssh"}}),
    [](const auto& each) { return each.param.name; });

// ---- versions ----

TEST(ServicesOfTunnelTest, AreWhatTheServiceAnnounced) {
  config::Config config;
  config.services = {{"X", {}}};
  EXPECT_THAT(services_of_tunnel(config, {"A", "B"}), ElementsAre("A", "B"));
  EXPECT_THAT(services_of_tunnel(config, {}), ElementsAre(""));
}

TEST(ServicesOfTunnelTest, WithoutAnAnnouncementAreTheOnlyOneThatWasGiven) {
  config::Config config;
  config.settings.subprotocol = "aws.iot.securetunneling-1.0";
  EXPECT_THAT(services_of_tunnel(config, {}), ElementsAre(""));
  config.services = {{"X", {}}};
  EXPECT_THAT(services_of_tunnel(config, {}), ElementsAre("X"));
  config.services = {{"X", {}}, {"Y", {}}};
  EXPECT_THAT(services_of_tunnel(config, {}), ElementsAre(""));
}

TEST(CheckDistinctTest, NoServiceIsThereTwice) {
  EXPECT_TRUE(check_distinct({""}).ok());
  EXPECT_TRUE(check_distinct({"A", "B", "a"}).ok());
  const auto twice = check_distinct({"A", "B", "A"});
  ASSERT_FALSE(twice.ok());
  EXPECT_EQ(twice.error().text(), "the tunnel has the service A twice: A, B, A");
}

TEST(CheckVersionTest, Version1IsForOneService) {
  using config::Version;
  EXPECT_TRUE(check_version(Version::kV1, {"A"}).ok());
  EXPECT_TRUE(check_version(Version::kV2, {"A", "B"}).ok());
  EXPECT_TRUE(check_version(Version::kV3, {"A", "B"}).ok());
  const auto two = check_version(Version::kV1, {"A", "B"});
  ASSERT_FALSE(two.ok());
  EXPECT_THAT(two.error().text(), HasSubstr("-y V1 works with tunnels of one service"));
  EXPECT_THAT(two.error().text(), HasSubstr("this one has A, B."));
}

// ---- texts ----

TEST(ExitTest, SaysHowAProcessEnded) {
  EXPECT_EQ((Exit{Exit::How::kStatus, 71}.describe()), "ended with status 71");
  EXPECT_EQ((Exit{Exit::How::kStatus, 0}.describe()), "ended with status 0");
  EXPECT_EQ((Exit{Exit::How::kSignal, SIGKILL}.describe()), "was killed by SIGKILL");
  EXPECT_EQ((Exit{Exit::How::kSignal, SIGSEGV}.describe()), "was killed by SIGSEGV");
  EXPECT_EQ((Exit{Exit::How::kSignal, SIGSYS}.describe()),
            "was killed by SIGSYS (sandbox violation: it made a system call that its policy forbids)");
  EXPECT_EQ((Exit{Exit::How::kTimeout, SIGKILL}.describe()), "was killed by SIGKILL");
  EXPECT_EQ((Exit{Exit::How::kNotStarted, 71, "fork: no room"}.describe()), "was not started: fork: no room");
  EXPECT_EQ((Exit{Exit::How::kSignal, 40}.describe()), "was killed by SIG40");
}

TEST(ProgramNameTest, IsThatOfTheRole) {
  EXPECT_EQ(program_name(to_string(ipc::Role::kNet)), "localproxy-net");
  EXPECT_EQ(program_name(to_string(ipc::Role::kBridge)), "localproxy-bridge");
  EXPECT_EQ(program_name(to_string(ipc::Role::kResolve)), "localproxy-resolve");
}

}  // namespace
}  // namespace localproxy::monitor
