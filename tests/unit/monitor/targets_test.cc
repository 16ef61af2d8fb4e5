// Resolver and Targets. The test plays the bridge, and there is no resolve process.
#include "monitor/targets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ipc/port.h"
#include "tests/unit/bridge/tcp_pair.h"
#include "tests/unit/ipc/run_loop.h"

namespace localproxy::monitor {
namespace {

using localproxy::test::listen_on;
using localproxy::test::run_ready;
using localproxy::test::run_until;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

class Lines : public Log {
 public:
  Lines() : Log(LogLevel::kTrace) {}
  std::vector<std::string> all;

 private:
  void emit(LogLevel, std::string_view text) override { all.emplace_back(text); }
};

class TargetsTest : public testing::Test {
 protected:
  void SetUp() override {
    config_.mode = config::Mode::kDestination;
    config_.settings.connect_tries = 3;
    config_.settings.connect_retry_delay = std::chrono::milliseconds(1);
    config_.settings.max_connections = 2;
    config_.services = {{"bad", {.host = "127.0.0.1", .port = refusing_port()}},
                        {"good", {.host = "127.0.0.1", .port = good_.port()}}};
    start_bridge();
    targets_.set_mappings({1, 0});  // 0: good, 1: bad
    run_ready(loop_);
    EXPECT_THAT(told_, ElementsAre(0, 1));
  }
  uint16_t refusing_port() {
    Address address = *parse_address("127.0.0.1", 0);
    bound_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(bound_.get(), address.get(), address.size), 0);
    EXPECT_EQ(::getsockname(bound_.get(), reinterpret_cast<sockaddr*>(&address.storage), &address.size), 0);
    return address.port();
  }
  // A bridge that has entered its sandbox, played by this test.
  void start_bridge() {
    auto channel = make_socketpair(SOCK_SEQPACKET);
    auto errors = make_socketpair(SOCK_SEQPACKET);
    ASSERT_TRUE(channel.ok() && errors.ok());
    kills_ = 0;
    child_ = std::make_unique<Child>(loop_, log_, log_, ipc::Role::kBridge,
                                     Child::Ends{std::move(channel->first), std::move(errors->first)},
                                     ipc::Setup(),
                                     Child::Launched{[this] { ++kills_; }, [] {}, [] { return false; }},
                                     Child::Events{[] {}, [](const Exit&) {}});
    errors_ = std::move(errors->second);
    bridge_ = std::make_unique<ipc::Port>(loop_, std::move(channel->second), ipc::Role::kBridge,
                                          ipc::Role::kMonitor, [](ipc::Port::End, const std::string&) {});
    bridge_->on<ipc::Setup>([this](const ipc::Setup&) {
      bridge_->set_state(ipc::State::kReady);
      bridge_->send(ipc::Ready());
    });
    bridge_->on<ipc::Target>([this](const ipc::Target& m) { told_.push_back(m.service); });
    bridge_->on<ipc::Dialed>([this](const ipc::Dialed& m, UniqueFd socket) {
      EXPECT_TRUE(socket.valid());
      results_.emplace(m.cookie, "connected");
    });
    bridge_->on<ipc::DialFailed>([this](const ipc::DialFailed& m) { results_.emplace(m.cookie, "failed"); });
    targets_.serve(*child_);
    ASSERT_TRUE(run_until(loop_, [this] { return child_->ready(); }));
  }
  void dial(uint16_t service, uint32_t cookie) { bridge_->send(ipc::Dial{service, cookie}); }
  // Whether a new bridge that makes this request is killed.
  bool is_killed_for(uint16_t service, uint32_t cookie) {
    start_bridge();
    dial(service, cookie);
    run_ready(loop_);
    return kills_ == 1;
  }
  bool wait_for(size_t results) {
    return run_until(loop_, [&] { return results_.size() >= results; });
  }

  event::Loop loop_;
  StderrLog log_{LogLevel::kOff};
  Lines lines_;
  // Without a launch process every lookup fails.
  Launcher launcher_{loop_, log_, [] {}};
  Resolver resolver_{loop_, launcher_, {}};
  Address good_ = *parse_address("127.0.0.1", 0);
  UniqueFd listener_ = listen_on(good_);
  UniqueFd bound_;
  config::Config config_;
  std::multimap<uint32_t, std::string> results_;  // by cookie
  std::vector<uint16_t> told_;  // services that were announced to the bridge as having a target
  int kills_ = 0;
  UniqueFd errors_;
  std::unique_ptr<Child> child_;
  std::unique_ptr<ipc::Port> bridge_;
  Targets targets_{loop_, lines_, resolver_, config_, {}};
};

TEST_F(TargetsTest, ConnectsToTheMappedService) {
  dial(0, 7);
  ASSERT_TRUE(wait_for(1));
  EXPECT_THAT(results_, ElementsAre(Pair(7, "connected")));
}

TEST_F(TargetsTest, GivesUpAfterItsTries) {
  dial(1, 8);
  ASSERT_TRUE(wait_for(1));
  EXPECT_THAT(results_, ElementsAre(Pair(8, "failed")));
  EXPECT_THAT(lines_.all.back(), AllOf(HasSubstr("cannot connect to the local service at 127.0.0.1:"),
                                       HasSubstr("Connection refused"), HasSubstr("after 3 tries")));
  dial(1, 8);
  ASSERT_TRUE(wait_for(2)) << "the cookie is free again";
  EXPECT_EQ(kills_, 0);
}

TEST_F(TargetsTest, TriesAgainUntilThereIsAListener) {
  config_.settings.connect_tries = -1;
  dial(1, 8);
  int turns = 0;
  ASSERT_TRUE(run_until(loop_, [&] {
    if (++turns == 20) {
      EXPECT_EQ(::listen(bound_.get(), 1), 0);
    }
    return !results_.empty();
  }));
  EXPECT_THAT(results_, ElementsAre(Pair(8, "connected")));
}

TEST_F(TargetsTest, KillsABridgeThatAsksForWhatItMayNotHave) {
  config_.settings.connect_retry_delay = std::chrono::hours(1);
  EXPECT_TRUE(is_killed_for(2, 1)) << "no such service";
  EXPECT_TRUE(is_killed_for(UINT16_MAX, 1)) << "no such service";
  EXPECT_FALSE(is_killed_for(1, 1));
  EXPECT_TRUE(is_killed_for(0, 1)) << "the cookie is in use";
}

TEST_F(TargetsTest, TooManyAtOnceFailAndAreNoBreach) {
  config_.settings.connect_retry_delay = std::chrono::hours(1);
  for (uint32_t cookie = 1; cookie <= 4; ++cookie)
    dial(1, cookie);
  dial(0, 5);  // two services with two connections each
  ASSERT_TRUE(wait_for(1));
  run_ready(loop_);
  EXPECT_THAT(results_, ElementsAre(Pair(5, "failed")));
  EXPECT_THAT(lines_.all, Contains(HasSubstr("too many")));
  EXPECT_EQ(kills_, 0);
}

TEST_F(TargetsTest, WithoutMappingsNothingIsDialled) {
  targets_.set_mappings({});
  EXPECT_TRUE(is_killed_for(0, 1));
}

TEST_F(TargetsTest, ACancelledDialSaysNothing) {
  dial(0, 7);
  dial(0, 8);
  bridge_->send(ipc::DialCancel{7});
  bridge_->send(ipc::DialCancel{99});
  ASSERT_TRUE(wait_for(1));
  run_ready(loop_);
  EXPECT_THAT(results_, ElementsAre(Pair(8, "connected")));
}

TEST_F(TargetsTest, AUnixSocketIsATarget) {
  config_.services[0].address = {.kind = config::LocalAddress::Kind::kUnix, .path = "/nowhere/at/all"};
  config_.settings.connect_tries = 1;
  targets_.set_mappings({1, 0});
  dial(1, 8);
  ASSERT_TRUE(wait_for(1));
  EXPECT_THAT(lines_.all.back(), HasSubstr("/nowhere/at/all: connect: No such file or directory"));
}

TEST_F(TargetsTest, ANameThatCannotBeLookedUpIsTriedAgain) {
  config_.services[0].address = {.host = "name.invalid", .port = 80};
  targets_.set_mappings({1, 0});
  dial(1, 8);
  ASSERT_TRUE(wait_for(1));
  EXPECT_THAT(results_, ElementsAre(Pair(8, "failed")));
  EXPECT_THAT(
      lines_.all.back(),
      HasSubstr("cannot connect to the local service at name.invalid:80: cannot resolve name.invalid: "
                "the launch process was not started; given up after 3 tries, the source is told"));
}

// ---- Resolver ----

TEST_F(TargetsTest, KnownAddressesAreAnsweredAtOnce) {
  std::vector<std::string> found;
  for (const Address& address : known_addresses("localhost", 80))
    found.push_back(to_string(address));
  EXPECT_THAT(found, ElementsAre("127.0.0.1:80", "[::1]:80"));
}

TEST_F(TargetsTest, AnEndedResolverAnswersNoLookup) {
  auto resolver = std::make_unique<Resolver>(loop_, launcher_, ipc::Setup());
  int answers = 0;
  const auto question = resolver->look_up("name.invalid", 80, [&](Result<Addresses>) { ++answers; });
  resolver.reset();
  run_ready(loop_);
  EXPECT_EQ(answers, 0);
}

TEST_F(TargetsTest, ACancelledLookupIsNotAnswered) {
  int answers = 0;
  auto first = resolver_.look_up("name.invalid", 80, [&](Result<Addresses>) { ++answers; });
  const auto second = resolver_.look_up("name.invalid", 80, [&](Result<Addresses>) { ++answers; });
  first.reset();
  run_ready(loop_);
  EXPECT_EQ(answers, 1);
}

TEST_F(TargetsTest, AFailedLookupProcessIsAnErrorForAllWaiters) {
  std::vector<std::string> errors;
  const auto callback = [&](Result<Addresses> addresses) {
    errors.push_back(addresses.ok() ? "" : cannot_resolve("name.invalid", addresses.error()).text());
  };
  const auto first = resolver_.look_up("name.invalid", 80, callback);
  const auto second = resolver_.look_up("name.invalid", 81, callback);
  ASSERT_TRUE(run_until(loop_, [&] { return errors.size() == 2; }));
  EXPECT_EQ(errors[0], "cannot resolve name.invalid: the launch process was not started");
  EXPECT_EQ(errors[1], errors[0]);
  // And the next one starts another process.
  const auto third = resolver_.look_up("name.invalid", 82, callback);
  ASSERT_TRUE(run_until(loop_, [&] { return errors.size() == 3; }));
}

}  // namespace
}  // namespace localproxy::monitor
