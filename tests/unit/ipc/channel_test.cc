#include "ipc/channel.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "tests/unit/base/freed_memory.h"
#include "tests/unit/base/no_descriptors.h"
#include "tests/unit/ipc/raw_socket.h"

namespace localproxy::ipc {
namespace {

using namespace std::string_view_literals;
using test::datagram;
using test::open_descriptors;
using test::RawPeer;
using test::send_raw;
using testing::HasSubstr;

constexpr char kMarker[] = "a token that must not stay in memory";

UniqueFd open_null() {
  return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

ino_t inode(int fd) {
  struct stat status {};
  EXPECT_EQ(::fstat(fd, &status), 0);
  return status.st_ino;
}

// A monitor's channel to the bridge and the bridge's end of it, both past the handshake.
struct Ends {
  Ends() : Ends(make_socketpair(SOCK_SEQPACKET)) {}
  Channel monitor;
  Channel bridge;

 private:
  explicit Ends(Result<FdPair> pair)
      : monitor(std::move(pair->first), Role::kMonitor, Role::kBridge),
        bridge(std::move(pair->second), Role::kBridge, Role::kMonitor) {
    monitor.set_state(State::kReady);
    bridge.set_state(State::kReady);
  }
};

// The cookie of the next DIAL_FAILED; empty when there is none.
std::optional<uint32_t> next_cookie(Channel& channel) {
  auto received = channel.receive();
  EXPECT_TRUE(received.ok()) << received.error().text();
  if (!received.ok() || !received->has_value()) return std::nullopt;
  DialFailed message;
  EXPECT_TRUE(decode_fields((*received)->fields, message));
  return message.cookie;
}

// ---- datagrams that are not messages of the table ----

struct BadDatagram {
  const char* name;
  std::string bytes;
  const char* why;
};

class BadDatagramTest : public testing::TestWithParam<BadDatagram> {};

TEST_P(BadDatagramTest, IsAViolation) {
  RawPeer pair(Role::kMonitor, Role::kNet);
  pair.channel.set_state(State::kReady);
  send_raw(pair.raw.get(), GetParam().bytes);
  const auto received = pair.channel.receive();
  ASSERT_FALSE(received.ok());
  EXPECT_TRUE(pair.channel.is_violation());
  EXPECT_THAT(received.error().text(), HasSubstr("the net process in state ready"));
  EXPECT_THAT(received.error().text(), HasSubstr(GetParam().why));
}

INSTANTIATE_TEST_SUITE_P(
    Channel, BadDatagramTest,
    testing::Values(BadDatagram{"OneByte", "\1", "without a number"},
                    BadDatagram{"NumberZero", datagram(0, 4), "unknown message 0"},
                    BadDatagram{"NumberAboveTheTable", datagram(table().size() + 1, 4), "unknown message 36"},
                    BadDatagram{"LargestNumber", datagram(65'535, 4), "unknown message 65535"},
                    BadDatagram{"OneByteTooLong", datagram(3, max_message_size() - 1), "LOG of"},
                    BadDatagram{"LargerThanTheBuffer", datagram(3, max_message_size()), "cut off"},
                    BadDatagram{"Huge", datagram(3, 150'000), "cut off"}),
    [](const auto& each) { return each.param.name; });

TEST(ChannelTest, AnEmptyDatagramIsTheEnd) {
  RawPeer pair(Role::kMonitor, Role::kNet);
  send_raw(pair.raw.get(), "");
  const auto received = pair.channel.receive();
  ASSERT_FALSE(received.ok());
  EXPECT_EQ(received.error().text(), "closed");
  EXPECT_FALSE(pair.channel.is_violation());
}

TEST(ChannelTest, AnEmptyDatagramWithADescriptorIsAViolation) {
  RawPeer pair(Role::kNet, Role::kMonitor);
  const UniqueFd file = open_null();
  const size_t before = open_descriptors();
  send_raw(pair.raw.get(), "", {file.get()});
  EXPECT_FALSE(pair.channel.receive().ok());
  EXPECT_TRUE(pair.channel.is_violation());
  EXPECT_EQ(open_descriptors(), before);
}

TEST(ChannelTest, ACutOffDatagramsDescriptorsAreClosed) {
  RawPeer pair(Role::kMonitor, Role::kNet);
  const UniqueFd file = open_null();
  const size_t before = open_descriptors();
  send_raw(pair.raw.get(), datagram(3, max_message_size()), {file.get(), file.get()});
  EXPECT_FALSE(pair.channel.receive().ok());
  EXPECT_TRUE(pair.channel.is_violation());
  EXPECT_EQ(open_descriptors(), before);
}

TEST(ChannelTest, AnEmptySocketIsNoError) {
  RawPeer pair(Role::kMonitor, Role::kNet);
  const auto received = pair.channel.receive();
  ASSERT_TRUE(received.ok());
  EXPECT_FALSE(received->has_value());
}

TEST(ChannelTest, APeerThatIsGoneIsTheEnd) {
  RawPeer pair(Role::kMonitor, Role::kNet);
  pair.raw.reset();
  const auto received = pair.channel.receive();
  ASSERT_FALSE(received.ok());
  EXPECT_EQ(received.error().text(), "closed");
  EXPECT_FALSE(pair.channel.is_violation());
}

// ---- no room for a descriptor ----

TEST(ChannelTest, AMessageWhoseDescriptorFoundNoRoomIsNoViolation) {
  Ends ends;
  ASSERT_TRUE(ends.monitor.send(Dialed{7, {"somewhere"sv}}, open_null()).ok());
  ASSERT_TRUE(ends.monitor.send(Dialed{8, {"somewhere"sv}}, open_null()).ok());
  {
    const localproxy::test::NoDescriptors none;
    const auto received = ends.bridge.receive();
    ASSERT_TRUE(received.ok()) << received.error().text();
    EXPECT_EQ((*received)->spec->type, Type::kDialed);
    EXPECT_FALSE((*received)->fds.first.valid());
  }
  EXPECT_FALSE(ends.bridge.is_violation());
  const auto received = ends.bridge.receive();
  ASSERT_TRUE(received.ok()) << received.error().text();
  EXPECT_TRUE((*received)->fds.first.valid());
}

TEST(ChannelTest, AnUnexpectedDescriptorIsAViolationEvenIfItFoundNoRoom) {
  RawPeer pair(Role::kBridge, Role::kMonitor);
  pair.channel.set_state(State::kReady);
  const UniqueFd file = open_null();
  send_raw(pair.raw.get(), datagram(static_cast<size_t>(Type::kDialFailed), 4), {file.get()});
  const localproxy::test::NoDescriptors none;
  EXPECT_FALSE(pair.channel.receive().ok());
  EXPECT_TRUE(pair.channel.is_violation());
}

TEST(ChannelTest, MoreDescriptorsThanAnyMessageHasAreAViolation) {
  RawPeer pair(Role::kBridge, Role::kMonitor);
  pair.channel.set_state(State::kReady);
  const UniqueFd file = open_null();
  const size_t before = open_descriptors();
  std::string bytes;
  put(bytes, Type::kDialed);
  encode_fields(Dialed{7, {"somewhere"sv}}, bytes);
  send_raw(pair.raw.get(), bytes, std::vector<int>(9, file.get()));
  EXPECT_FALSE(pair.channel.receive().ok());
  EXPECT_TRUE(pair.channel.is_violation());
  EXPECT_EQ(open_descriptors(), before);
}

// A message with two descriptors, as it arrives at net.
struct NetEnd : RawPeer {
  NetEnd() : RawPeer(Role::kNet, Role::kBridge) { channel.set_state(State::kServing); }
  void send(const std::vector<int>& fds) const {
    send_raw(raw.get(), datagram(static_cast<size_t>(Type::kOpening), 4), fds);
  }
};

TEST(ChannelTest, AMessageWithRoomForOneOfItsTwoDescriptorsHasNone) {
  NetEnd end;
  const UniqueFd file = open_null();
  end.send({file.get(), file.get()});
  const size_t before = open_descriptors();
  {
    const localproxy::test::NoDescriptors none(1);
    const auto received = end.channel.receive();
    ASSERT_TRUE(received.ok()) << received.error().text();
    EXPECT_FALSE((*received)->fds.first.valid());
    EXPECT_FALSE((*received)->fds.second.valid());
  }
  EXPECT_FALSE(end.channel.is_violation());
  EXPECT_EQ(open_descriptors(), before);
}

// ---- sending ----

TEST(ChannelTest, TwoDescriptorsArriveInTheirOrder) {
  auto pair = make_socketpair(SOCK_SEQPACKET);
  auto pipe = make_pipe();
  ASSERT_TRUE(pair.ok() && pipe.ok());
  Channel bridge(std::move(pair->first), Role::kBridge, Role::kNet);
  Channel net(std::move(pair->second), Role::kNet, Role::kBridge);
  net.set_state(State::kServing);
  const size_t before = open_descriptors();
  ASSERT_TRUE(bridge.send(Opening{7}, std::move(*pipe)).ok());
  EXPECT_EQ(open_descriptors(), before - 2) << "the sender keeps no copy";
  auto received = net.receive();
  ASSERT_TRUE(received.ok()) << received.error().text();
  const FdPair& fds = (*received)->fds;
  ASSERT_EQ(::write(fds.second.get(), "x", 1), 1);
  char byte = 0;
  ASSERT_EQ(::read(fds.first.get(), &byte, 1), 1);
  EXPECT_EQ(byte, 'x');
  for (const int fd : {fds.first.get(), fds.second.get()})
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
}

TEST(ChannelTest, ADescriptorArrivesCloseOnExecAndIsTheOneThatWasSent) {
  Ends ends;
  UniqueFd file = open_null();
  const ino_t sent = inode(file.get());
  const size_t before = open_descriptors();
  ASSERT_TRUE(ends.monitor.send(Dialed{7, {"somewhere"sv}}, std::move(file)).ok());
  EXPECT_EQ(open_descriptors(), before - 1) << "the sender keeps no copy";
  auto received = ends.bridge.receive();
  ASSERT_TRUE(received.ok()) << received.error().text();
  ASSERT_TRUE((*received)->fds.first.valid());
  EXPECT_EQ(inode((*received)->fds.first.get()), sent);
  EXPECT_NE(::fcntl((*received)->fds.first.get(), F_GETFD) & FD_CLOEXEC, 0);
  Dialed message;
  ASSERT_TRUE(decode_fields((*received)->fields, message));
  EXPECT_EQ(message.cookie, 7U);
  EXPECT_EQ(message.name.value, "somewhere");
}

TEST(ChannelTest, MessagesWaitInOrderWhileThePeerIsBusy) {
  constexpr uint32_t kMessages = 3'000;
  Ends ends;
  for (uint32_t i = 0; i < kMessages; ++i)
    ASSERT_TRUE(ends.monitor.send(DialFailed{i}).ok());
  EXPECT_TRUE(ends.monitor.wants_write());
  EXPECT_GT(ends.monitor.queued(), 0U);
  EXPECT_LT(ends.monitor.queued(), kMessages) << "the socket took some";
  // Room in the socket does not let a later message overtake.
  for (uint32_t i = 0; i < 10; ++i)
    ASSERT_EQ(next_cookie(ends.bridge), i);
  ASSERT_TRUE(ends.monitor.send(DialFailed{kMessages}).ok());
  for (uint32_t expected = 10; expected <= kMessages;) {
    const auto cookie = next_cookie(ends.bridge);
    if (cookie) {
      ASSERT_EQ(*cookie, expected++);
      continue;
    }
    const auto flushed = ends.monitor.flush();
    ASSERT_TRUE(flushed.ok()) << flushed.error().text();
    EXPECT_EQ(*flushed, !ends.monitor.wants_write());
  }
  EXPECT_FALSE(ends.monitor.wants_write());
  EXPECT_EQ(ends.monitor.queued(), 0U);
  EXPECT_EQ(next_cookie(ends.bridge), std::nullopt);
}

TEST(ChannelTest, FlushingNothingIsDone) {
  Ends ends;
  const auto flushed = ends.monitor.flush();
  ASSERT_TRUE(flushed.ok());
  EXPECT_TRUE(*flushed);
}

TEST(ChannelTest, AQueuedMessageKeepsItsDescriptor) {
  Ends ends;
  uint32_t sent = 0;
  while (!ends.monitor.wants_write())
    ASSERT_TRUE(ends.monitor.send(DialFailed{sent++}).ok());
  ASSERT_TRUE(ends.monitor.send(Dialed{77, {"late"sv}}, open_null()).ok());
  for (uint32_t i = 0; i < sent; ++i) {
    ASSERT_TRUE(ends.monitor.flush().ok());
    ASSERT_EQ(next_cookie(ends.bridge), i);
  }
  ASSERT_TRUE(ends.monitor.flush().ok());
  const auto received = ends.bridge.receive();
  ASSERT_TRUE(received.ok());
  EXPECT_EQ((*received)->spec->type, Type::kDialed);
  EXPECT_TRUE((*received)->fds.first.valid());
}

TEST(ChannelTest, MoreThanTheLimitMayNotWait) {
  Ends ends;
  while (ends.monitor.queued() < limits::kMaxQueuedIpcMessages)
    ASSERT_TRUE(ends.monitor.send(DialFailed{1}).ok());
  const auto sent = ends.monitor.send(DialFailed{1});
  ASSERT_FALSE(sent.ok());
  EXPECT_EQ(sent.error().text(), "the bridge process does not read its messages");
  EXPECT_EQ(ends.monitor.queued(), limits::kMaxQueuedIpcMessages);
}

TEST(ChannelTest, SendingToAPeerThatIsGoneIsAnError) {
  RawPeer pair(Role::kMonitor, Role::kBridge);
  pair.raw.reset();
  // With a descriptor, because without one the channel calls write(), and SIGPIPE is the caller's
  // responsibility.
  const auto sent = pair.channel.send(Dialed{1, {"x"sv}}, open_null());
  ASSERT_FALSE(sent.ok());
  EXPECT_THAT(sent.error().text(), HasSubstr("cannot send to the bridge process"));
}

// ---- secrets ----

Grant marked_grant() {
  Grant grant;
  grant.access_token.value.assign(kMarker);
  return grant;
}

TEST(ChannelTest, TheBufferOfAReceivedSecretIsOverwritten) {
  auto pair = make_socketpair(SOCK_SEQPACKET);
  Channel monitor(std::move(pair->first), Role::kMonitor, Role::kNet);
  Channel net(std::move(pair->second), Role::kNet, Role::kMonitor);
  net.set_state(State::kReady);
  ASSERT_TRUE(monitor.send(marked_grant(), open_null()).ok());
  const auto received = net.receive();
  ASSERT_TRUE(received.ok());
  const Bytes fields = (*received)->fields;
  EXPECT_TRUE((*received)->spec->secret);
  ASSERT_NE(as_text(fields).find(kMarker), std::string_view::npos);
  net.wipe_received();
  EXPECT_TRUE(std::all_of(fields.begin(), fields.end(), [](uint8_t byte) { return byte == 0; }));
}

TEST(ChannelTest, NoSecretIsInFreedMemory) {
  const localproxy::test::FreedMemory freed(kMarker);
  {
    auto pair = make_socketpair(SOCK_SEQPACKET);
    Channel monitor(std::move(pair->first), Role::kMonitor, Role::kNet);
    Channel net(std::move(pair->second), Role::kNet, Role::kMonitor);
    net.set_state(State::kReady);
    // Sent at once, sent later, and never sent.
    ASSERT_TRUE(monitor.send(marked_grant(), open_null()).ok());
    while (!monitor.wants_write())
      ASSERT_TRUE(monitor.send(Stop()).ok());
    ASSERT_TRUE(monitor.send(marked_grant(), open_null()).ok());
    ASSERT_TRUE(monitor.send(marked_grant(), open_null()).ok());
    auto received = net.receive();
    ASSERT_TRUE(received.ok());
    Grant grant;
    ASSERT_TRUE(decode_fields((*received)->fields, grant));
    EXPECT_EQ(grant.access_token.value.reveal(), kMarker);
  }
  EXPECT_EQ(freed.blocks_with_marker(), 0U);
}

}  // namespace
}  // namespace localproxy::ipc
