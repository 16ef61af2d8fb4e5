#include "ipc/port.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <vector>

#include "tests/unit/ipc/raw_socket.h"
#include "tests/unit/ipc/run_loop.h"

namespace localproxy::ipc {
namespace {

using namespace std::string_view_literals;
using localproxy::test::run_ready;
using localproxy::test::run_until;
using test::datagram;
using test::send_raw;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// A monitor's port, and a raw socket as the bridge's end.
class PortTest : public testing::Test {
 protected:
  void SetUp() override {
    ::signal(SIGPIPE, SIG_IGN);
    auto pair = make_socketpair(SOCK_SEQPACKET);
    ASSERT_TRUE(pair.ok());
    raw_ = std::move(pair->second);
    port_ = std::make_unique<Port>(loop_, std::move(pair->first), Role::kMonitor, Role::kBridge,
                                   [this](Port::End end, const std::string& what) {
                                     ends_.push_back(end);
                                     why_ = what;
                                   });
    port_->set_state(State::kReady);
    port_->on<Dial>([this](const Dial& dial) { got_.push_back("dial " + std::to_string(dial.cookie)); });
    port_->on<LogLine>([this](const LogLine& line) { got_.push_back("log " + line.text.value); });
  }
  void send_dial(uint32_t cookie) {
    std::string bytes;
    put(bytes, Type::kDial);
    encode_fields(Dial{1, cookie}, bytes);
    send_raw(raw_.get(), bytes);
  }

  event::Loop loop_;
  UniqueFd raw_;
  std::unique_ptr<Port> port_;
  std::vector<std::string> got_;
  std::vector<Port::End> ends_;
  std::string why_;
};

TEST_F(PortTest, HandsEachMessageToItsHandler) {
  send_dial(7);
  send_raw(raw_.get(), datagram(static_cast<size_t>(Type::kLog), 3));
  send_dial(8);
  ASSERT_TRUE(run_until(loop_, [this] { return got_.size() == 3; }));
  EXPECT_THAT(got_, ElementsAre("dial 7", "log ", "dial 8"));
  EXPECT_THAT(ends_, IsEmpty());
}

TEST_F(PortTest, HandsTheDescriptorOn) {
  auto pair = make_socketpair(SOCK_SEQPACKET);
  ASSERT_TRUE(pair.ok());
  Port bridge(loop_, std::move(pair->first), Role::kBridge, Role::kMonitor,
              [](Port::End, const std::string&) {});
  bridge.set_state(State::kReady);
  UniqueFd got;
  std::string name;
  bridge.on<Dialed>([&](const Dialed& message, UniqueFd fd) {
    name = message.name.value;
    got = std::move(fd);
  });
  Channel monitor(std::move(pair->second), Role::kMonitor, Role::kBridge);
  ASSERT_TRUE(monitor.send(Dialed{1, {"there"sv}}, UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC))).ok());
  ASSERT_TRUE(run_until(loop_, [&] { return got.valid(); }));
  EXPECT_EQ(name, "there");
  EXPECT_GE(::fcntl(got.get(), F_GETFD), 0);
}

TEST_F(PortTest, SaysOnceThatThePeerHasClosed) {
  raw_.reset();
  ASSERT_TRUE(run_until(loop_, [this] { return !ends_.empty(); }));
  run_ready(loop_);
  port_->drain();
  run_ready(loop_);
  EXPECT_THAT(ends_, ElementsAre(Port::End::kClosed));
  EXPECT_EQ(why_, "closed");
}

TEST_F(PortTest, HandlesWhatWasSentBeforeTheEnd) {
  send_dial(1);
  send_dial(2);
  raw_.reset();
  ASSERT_TRUE(run_until(loop_, [this] { return !ends_.empty(); }));
  EXPECT_THAT(got_, ElementsAre("dial 1", "dial 2"));
}

// The kernel reports ECONNRESET for data that the peer left unread before it delivers what the peer sent.
TEST_F(PortTest, HandlesWhatWasSentBeforeTheEndEvenIfThePeerLeftBytesUnread) {
  port_->send(Count());
  send_dial(1);
  raw_.reset();
  ASSERT_TRUE(run_until(loop_, [this] { return !ends_.empty(); }));
  EXPECT_THAT(got_, ElementsAre("dial 1"));
  EXPECT_THAT(ends_, ElementsAre(Port::End::kClosed));
}

TEST_F(PortTest, HandlesWhatWasSentBeforeTheEndEvenIfSendingFailedFirst) {
  send_dial(1);
  raw_.reset();
  port_->send(Count());
  ASSERT_TRUE(run_until(loop_, [this] { return !ends_.empty(); }));
  EXPECT_THAT(got_, ElementsAre("dial 1"));
  EXPECT_THAT(ends_, ElementsAre(Port::End::kClosed));
}

TEST_F(PortTest, AViolationIsTheEndAndNothingIsHandledAfterIt) {
  send_dial(1);
  send_raw(raw_.get(), datagram(999, 0));
  send_dial(2);
  ASSERT_TRUE(run_until(loop_, [this] { return !ends_.empty(); }));
  run_ready(loop_);
  port_->drain();
  EXPECT_THAT(got_, ElementsAre("dial 1"));
  EXPECT_THAT(ends_, ElementsAre(Port::End::kViolation));
  EXPECT_THAT(why_, HasSubstr("unknown message 999"));
}

TEST_F(PortTest, FieldsThatDoNotDecodeAreAViolation) {
  // A LOG of an allowed length whose text claims to be longer than it is.
  std::string bytes = datagram(static_cast<size_t>(Type::kLog), 4);
  bytes[4] = 9;
  send_raw(raw_.get(), bytes);
  ASSERT_TRUE(run_until(loop_, [this] { return !ends_.empty(); }));
  EXPECT_THAT(got_, IsEmpty());
  EXPECT_THAT(ends_, ElementsAre(Port::End::kViolation));
  EXPECT_EQ(why_, "the fields of LOG are wrong");
}

TEST_F(PortTest, AHandlerMayChangeTheStateForTheNextMessage) {
  port_->on<Dial>([this](const Dial& dial) {
    got_.push_back("dial " + std::to_string(dial.cookie));
    port_->set_state(State::kStart);
  });
  send_dial(1);
  send_dial(2);
  ASSERT_TRUE(run_until(loop_, [this] { return !ends_.empty(); }));
  EXPECT_THAT(got_, ElementsAre("dial 1"));
  EXPECT_THAT(why_, HasSubstr("DIAL is not allowed now"));
}

TEST_F(PortTest, SendsToThePeer) {
  port_->send(Accepting{1});
  std::string buffer(16, '\0');
  ASSERT_EQ(::read(raw_.get(), buffer.data(), buffer.size()), 3);
  EXPECT_EQ(buffer.substr(0, 3), datagram(static_cast<size_t>(Type::kAccepting), 0) + '\1');
}

TEST_F(PortTest, SendsWhatWaitsWhenThePeerReads) {
  constexpr uint32_t kMessages = 2'000;
  for (uint32_t i = 0; i < kMessages; ++i)
    port_->send(DialFailed{i});
  EXPECT_GT(port_->queued(), 0U);
  Channel bridge(std::move(raw_), Role::kBridge, Role::kMonitor);
  bridge.set_state(State::kReady);
  uint32_t next = 0;
  ASSERT_TRUE(run_until(loop_, [&] {
    for (;;) {
      auto received = bridge.receive();
      if (!received.ok() || !received->has_value()) return next == kMessages;
      DialFailed message;
      EXPECT_TRUE(decode_fields((*received)->fields, message));
      EXPECT_EQ(message.cookie, next++);
    }
  }));
  EXPECT_EQ(port_->queued(), 0U);
  EXPECT_THAT(ends_, IsEmpty());
}

TEST_F(PortTest, APeerThatDoesNotReadIsTheEnd) {
  while (port_->queued() < limits::kMaxQueuedIpcMessages)
    port_->send(DialFailed{1});
  port_->send(DialFailed{1});
  port_->send(DialFailed{1});
  EXPECT_THAT(ends_, IsEmpty()) << "said from the loop, not from inside send()";
  ASSERT_TRUE(run_until(loop_, [this] { return !ends_.empty(); }));
  run_ready(loop_);
  EXPECT_THAT(ends_, ElementsAre(Port::End::kUnread));
  EXPECT_EQ(why_, "the bridge process does not read its messages");
}

TEST_F(PortTest, ReadsNothingWhileReadingIsOff) {
  port_->set_reading(false);
  send_dial(1);
  run_ready(loop_);
  EXPECT_THAT(got_, IsEmpty());
  port_->set_reading(true);
  ASSERT_TRUE(run_until(loop_, [this] { return !got_.empty(); }));
  EXPECT_THAT(got_, ElementsAre("dial 1"));
}

TEST_F(PortTest, DrainHandlesAtOnceAllThatHasArrived) {
  constexpr uint32_t kMessages = 150;  // more than one turn of the loop handles
  for (uint32_t i = 0; i < kMessages; ++i)
    send_dial(i);
  port_->drain();
  EXPECT_THAT(got_, SizeIs(kMessages));
  EXPECT_EQ(got_.back(), "dial 149");
}

TEST_F(PortTest, SaysNothingAfterItIsDestroyed) {
  raw_.reset();
  port_->drain();  // notices the end, which the loop reports later
  port_.reset();
  run_ready(loop_);
  EXPECT_THAT(ends_, IsEmpty());
}

TEST_F(PortTest, TheEndMayDestroyIt) {
  auto pair = make_socketpair(SOCK_SEQPACKET);
  ASSERT_TRUE(pair.ok());
  std::unique_ptr<Port> port;
  bool ended = false;
  event::Task destroy(loop_, [&port] { port.reset(); });
  port = std::make_unique<Port>(loop_, std::move(pair->first), Role::kMonitor, Role::kNet,
                                [&](Port::End, const std::string&) {
                                  ended = true;
                                  destroy.start();
                                });
  pair->second.reset();
  ASSERT_TRUE(run_until(loop_, [&] { return ended && port == nullptr; }));
}

using PortDeathTest = PortTest;

TEST_F(PortDeathTest, AMessageWithoutAHandlerEndsTheProcess) {
  send_raw(raw_.get(), datagram(static_cast<size_t>(Type::kDialCancel), 4));
  EXPECT_EXIT(port_->drain(), testing::ExitedWithCode(71), "no handler for DIAL_CANCEL");
}

}  // namespace
}  // namespace localproxy::ipc
