// Every message of the table, sent to running helpers by an attacker who controls the other end: in states
// that do not allow it, in the wrong direction, truncated, too long, with too few and too many descriptors.
// The receiver must exit with its own error: it is not killed, does not hang, and does not obey.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "ipc/messages.h"
#include "tests/sandbox/victim.h"

namespace localproxy::test {
namespace {

using ipc::Spec;
using ipc::test::datagram;
using ipc::test::send_raw;
using testing::HasSubstr;

constexpr int kSystem = 71;  // exit status of a process whose peer broke the rules

struct Place {
  Role role;
  State state;
};

std::string name_of(const testing::TestParamInfo<Place>& info) {
  return std::string(to_string(info.param.role)) + "_" + std::string(to_string(info.param.state));
}

constexpr Place kPlaces[] = {
    {Role::kNet, State::kStart},     {Role::kBridge, State::kStart}, {Role::kResolve, State::kStart},
    {Role::kLaunch, State::kStart},  {Role::kNet, State::kReady},    {Role::kBridge, State::kReady},
    {Role::kResolve, State::kReady}, {Role::kLaunch, State::kReady}, {Role::kNet, State::kNegotiating},
};

bool allowed(const Spec& spec, Role from, const Place& place) {
  return (spec.from & (1U << static_cast<unsigned>(from))) != 0 &&
         (spec.to & (1U << static_cast<unsigned>(place.role))) != 0 &&
         (spec.states & static_cast<unsigned>(place.state)) != 0;
}

// A TCP connection to a silent peer.
struct Silence {
  Silence()
      : listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
        socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in here{};
    socklen_t size = sizeof here;
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const name = reinterpret_cast<sockaddr*>(&here);
    EXPECT_EQ(::bind(listener.get(), name, size), 0);
    EXPECT_EQ(::listen(listener.get(), 1), 0);
    EXPECT_EQ(::getsockname(listener.get(), name, &size), 0);
    EXPECT_EQ(::connect(socket.get(), name, size), 0);
    // As the monitor passes it.
    EXPECT_EQ(::fcntl(socket.get(), F_SETFL, O_NONBLOCK), 0);
  }
  UniqueFd listener, socket;
};

class AttackTest : public testing::TestWithParam<Place> {
 protected:
  void bring(Victim& victim) {
    ASSERT_TRUE(victim.running()) << "the programs are looked for in $LOCALPROXY_BUILD_DIR";
    if (GetParam().state == State::kStart) return;
    ASSERT_NO_FATAL_FAILURE(victim.begin());
    if (GetParam().state == State::kReady) return;
    ipc::Grant grant;
    grant.host = {"localhost"};
    grant.subprotocol = {"aws.iot.securetunneling-3.0"};
    grant.access_token.value.assign("token");
    victim.send(grant, {silence_.socket.get()});
    // GRANT is handled before what follows, since a channel keeps the order.
  }
  // Sends it to a new victim in that state, which must exit.
  void attack(const std::string& what, const std::string& bytes, size_t descriptors,
              const std::string& complaint) {
    SCOPED_TRACE(what);
    Victim victim(GetParam().role);
    ASSERT_NO_FATAL_FAILURE(bring(victim));
    send_raw(victim.channel(), bytes, std::vector<int>(descriptors, silence_.socket.get()));
    EXPECT_EQ(victim.end(), kSystem);
    const std::string said = victim.said();
    EXPECT_THAT(said, HasSubstr("protocol violation by the monitor process in state " +
                                std::string(to_string(GetParam().state))));
    EXPECT_THAT(said, HasSubstr(complaint));
  }

  Silence silence_;
};

INSTANTIATE_TEST_SUITE_P(Places, AttackTest, testing::ValuesIn(kPlaces), name_of);

TEST_P(AttackTest, MessagesThatAreNotAllowedNow) {
  size_t sent = 0;
  for (const Spec& spec : ipc::table()) {
    if (allowed(spec, Role::kMonitor, GetParam())) continue;
    for (const size_t length : {spec.least, std::min<size_t>(spec.most, 1'000)}) {
      attack(std::string(spec.name), datagram(static_cast<size_t>(spec.type), length), spec.fds,
             std::string(spec.name));
      ++sent;
    }
  }
  EXPECT_GT(sent, 40U);
}

TEST_P(AttackTest, AllowedMessagesThatAreWrong) {
  size_t allowed_ones = 0;
  for (const Spec& spec : ipc::table()) {
    if (!allowed(spec, Role::kMonitor, GetParam())) continue;
    ++allowed_ones;
    const std::string name(spec.name);
    const auto number = static_cast<size_t>(spec.type);
    if (spec.least > 0) attack(name + ", cut", datagram(number, spec.least - 1), spec.fds, name);
    attack(name + ", longer", datagram(number, spec.most + 1), spec.fds, name);
    for (const size_t descriptors : {size_t{0}, size_t{1}, size_t{2}, size_t{16}}) {
      if (descriptors == spec.fds) continue;
      // For a role that takes none, the kernel discards them, and the message is valid.
      if (GetParam().role == Role::kResolve) continue;
      attack(name + " with " + std::to_string(descriptors) + " descriptors", datagram(number, spec.least),
             descriptors, descriptors > 8 ? "" : name + " with ");
    }
  }
  EXPECT_GT(allowed_ones, 0U);
}

TEST_P(AttackTest, DatagramsThatAreNoMessages) {
  for (const size_t number : {size_t{0}, static_cast<size_t>(ipc::Type::kLast) + 1, size_t{0xffff}})
    attack("number " + std::to_string(number), datagram(number, 4), 0,
           "unknown message " + std::to_string(number));
  attack("one byte", std::string(1, '\1'), 0, "without a number");
  attack("too long", datagram(1, ipc::max_message_size()), 0, "cut off");
}

// ---- fields with wrong values ----

void expect_end(Role role, bool begun, const std::string& bytes, size_t descriptors,
                const std::string& complaint) {
  const Silence silence;
  Victim victim(role);
  ASSERT_TRUE(victim.running());
  if (begun) {
    ASSERT_NO_FATAL_FAILURE(victim.begin());
  }
  send_raw(victim.channel(), bytes, std::vector<int>(descriptors, silence.socket.get()));
  EXPECT_EQ(victim.end(), kSystem);
  EXPECT_THAT(victim.said(), HasSubstr(complaint));
}

TEST(FieldsTest, ALengthBeyondTheEndEndsTheReceiver) {
  std::string bytes = datagram_of(ipc::Lookup{{"example.com"}});
  bytes[3] = static_cast<char>(bytes[3] + 1);
  expect_end(Role::kResolve, true, bytes, 0, "the fields of LOOKUP are wrong");
  bytes = datagram_of(ipc::Lookup{{"example.com"}}) + "x";
  expect_end(Role::kResolve, true, bytes, 0, "the fields of LOOKUP are wrong");
}

TEST(FieldsTest, AListOfMoreThanItsLimitEndsTheReceiver) {
  ipc::Setup setup;
  std::string bytes = datagram_of(setup);
  // The list of directories is followed by an empty text of two bytes.
  bytes[bytes.size() - 3] = static_cast<char>(limits::kMaxCaPaths + 1);
  for (const Role role : {Role::kNet, Role::kBridge, Role::kResolve, Role::kLaunch})
    expect_end(role, false, bytes, 0, "the fields of SETUP are wrong");
}

TEST(FieldsTest, AnotherVersionOfTheTableEndsTheReceiver) {
  ipc::Setup setup;
  setup.version = ipc::table_version() + 1;
  for (const Role role : {Role::kNet, Role::kBridge, Role::kResolve, Role::kLaunch})
    expect_end(role, false, datagram_of(setup), 0, "the monitor is of another version");
}

TEST(FieldsTest, AnotherParentEndsTheReceiver) {
  ipc::Setup setup;
  setup.parent_pid = 1;
  if (::geteuid() == 0) setup.user = setup.group = 12'345;
  for (const Role role : {Role::kNet, Role::kBridge, Role::kResolve, Role::kLaunch})
    expect_end(role, false, datagram_of(setup), 0, "the monitor is gone");
}

TEST(FieldsTest, EnumsHaveNoOtherValues) {
  std::string bytes = datagram_of(ipc::PassFd{});
  bytes.back() = 3;
  expect_end(Role::kLaunch, true, bytes, 1, "the fields of PASS_FD are wrong");
  bytes = datagram_of(ipc::Launch{});
  bytes[bytes.size() - 2] = 5;
  expect_end(Role::kLaunch, true, bytes, 0, "the fields of LAUNCH are wrong");
}

TEST(FieldsTest, LaunchStartsTheHelpersAndNothingElse) {
  for (const Role role : {Role::kMonitor, Role::kLaunch}) {
    const Silence silence;
    Victim victim(Role::kLaunch);
    ASSERT_NO_FATAL_FAILURE(victim.begin());
    victim.send(ipc::PassFd{ipc::ChildFd::kChannel}, {silence.socket.get()});
    victim.send(ipc::PassFd{ipc::ChildFd::kErrors}, {silence.socket.get()});
    victim.send(ipc::Launch{1, role, 0});
    EXPECT_EQ(victim.end(), kSystem);
    EXPECT_THAT(victim.said(), HasSubstr("the monitor asked for a "));
  }
}

TEST(FieldsTest, LaunchWithoutItsPartsEndsTheReceiver) {
  expect_end(Role::kLaunch, true, datagram_of(ipc::Launch{1, Role::kNet, 0}), 0, "without its parts");
}

TEST(FieldsTest, TheEndOfAnUnknownNumberIsIgnored) {
  Victim victim(Role::kLaunch);
  ASSERT_NO_FATAL_FAILURE(victim.begin());
  for (uint32_t number = 0; number < 1'000; ++number)
    victim.send(ipc::Kill{number});
  victim.send(ipc::Stop{});
  EXPECT_EQ(victim.end(), 0) << victim.said();
}

// ---- the bridge, between a compromised monitor and a compromised net ----

class BridgeTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(victim_.running());
    ASSERT_NO_FATAL_FAILURE(victim_.begin());
    victim_.send(ipc::Target{0});
    new_net();
  }
  void new_net() {
    auto pair = make_socketpair(SOCK_SEQPACKET);
    ASSERT_TRUE(pair.ok());
    victim_.send(ipc::Peer{128, 0, 0}, {pair->second.get()});
    net_ = std::move(pair->first);
    Victim::wait_for_room(net_);
  }
  // Checks that the bridge is alive and works.
  void expect_alive() {
    victim_.send(ipc::Count{});
    EXPECT_TRUE(victim_.hears(ipc::Type::kCounters)) << victim_.said();
  }
  // Checks that its end of the channel to net is closed.
  void expect_net_dropped() {
    while (Victim::receive(net_.get())) {
    }
    char byte = 0;
    EXPECT_EQ(::recv(net_.get(), &byte, 1, 0), 0);
    expect_alive();
  }

  Victim victim_{Role::kBridge};
  UniqueFd net_;
};

TEST_F(BridgeTest, ANetThatBreaksTheRulesLosesItsChannelAndNothingElse) {
  const Place place{Role::kBridge, State::kServing};
  size_t sent = 0;
  for (const Spec& spec : ipc::table()) {
    SCOPED_TRACE(spec.name);
    const bool good = allowed(spec, Role::kNet, place);
    // A valid message is made one byte too long.
    const size_t length = good ? spec.most + 1 : spec.least;
    if (length + 2 > ipc::max_message_size()) continue;
    send_raw(net_.get(), datagram(static_cast<size_t>(spec.type), length));
    expect_net_dropped();
    ASSERT_NO_FATAL_FAILURE(new_net());
    ++sent;
  }
  EXPECT_GT(sent, 30U);
}

TEST_F(BridgeTest, OnlyServicesOfTheTableAreOpened) {
  for (const uint16_t service : {uint16_t{1}, uint16_t{63}, uint16_t{64}, uint16_t{65'535}}) {
    Victim::send_to(net_.get(), ipc::Open{service, 1});
    expect_net_dropped();
    ASSERT_NO_FATAL_FAILURE(new_net());
  }
}

TEST_F(BridgeTest, AConnectionIsOpenedOnce) {
  Victim::send_to(net_.get(), ipc::Open{0, 1});
  EXPECT_TRUE(Victim::hears_on(net_.get(), ipc::Type::kOpening));
  EXPECT_TRUE(victim_.hears(ipc::Type::kDial));
  Victim::send_to(net_.get(), ipc::Open{0, 1});
  expect_net_dropped();
}

TEST_F(BridgeTest, MessagesAboutUnknownConnectionsAreIgnored) {
  for (uint32_t number = 0; number < 1'000; ++number) {
    Victim::send_to(net_.get(), ipc::Finish{number});
    Victim::send_to(net_.get(), ipc::Reset{number});
    victim_.send(ipc::DialFailed{number});
  }
  const Silence silence;
  victim_.send(ipc::Dialed{7, {"somebody"}}, {silence.socket.get()});
  expect_alive();
  // The descriptor was not kept.
  Victim::send_to(net_.get(), ipc::Open{0, 5});
  EXPECT_TRUE(Victim::hears_on(net_.get(), ipc::Type::kOpening));
}

TEST_F(BridgeTest, ADialIsAnsweredOnce) {
  const Silence silence, other;
  Victim::send_to(net_.get(), ipc::Open{0, 1});
  EXPECT_TRUE(victim_.hears(ipc::Type::kDial));
  const uint32_t first_cookie = 1;
  victim_.send(ipc::Dialed{first_cookie, {"one"}}, {silence.socket.get()});
  victim_.send(ipc::Dialed{first_cookie, {"another"}}, {other.socket.get()});
  victim_.send(ipc::DialFailed{first_cookie});
  expect_alive();
}

TEST_F(BridgeTest, ANetThatOpensWithoutEndRunsIntoItsLimit) {
  constexpr uint32_t kMany = 10'000;
  uint32_t opening = 0, failed = 0;
  const auto take = [&](int milliseconds) {
    pollfd wait{net_.get(), POLLIN, 0};
    while (::poll(&wait, 1, milliseconds) == 1) {
      const auto heard = Victim::receive(net_.get());
      if (!heard) return;
      opening += *heard == static_cast<uint16_t>(ipc::Type::kOpening);
      failed += *heard == static_cast<uint16_t>(ipc::Type::kFailed);
      if (opening + failed == kMany) return;
    }
  };
  for (uint32_t number = 1; number <= kMany; ++number) {
    Victim::send_to(net_.get(), ipc::Open{0, number});
    if (number % 32 == 0) {
      // A real monitor reads, too.
      expect_alive();
      take(0);
    }
  }
  take(2'000);
  EXPECT_EQ(opening + failed, kMany);
  // As many as the monitor's limit, and as many again that may be closing.
  EXPECT_EQ(opening, 256U);
  expect_alive();
}

TEST_F(BridgeTest, StopEndsTheBridge) {
  victim_.send(ipc::Stop{});
  EXPECT_EQ(victim_.end(), 0) << victim_.said();
}

}  // namespace
}  // namespace localproxy::test
