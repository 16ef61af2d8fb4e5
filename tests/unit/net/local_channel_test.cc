#include "net/local_channel.h"

#include <errno.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/limits.h"
#include "net/tunnel.h"
#include "tests/unit/ipc/run_loop.h"

namespace {

// The descriptor for which the kernel pretends to have no memory, and how often it was written to.
int short_fd = -1;
size_t refused_writes = 0;

}  // namespace

// Replaces libc's, because no test can make the kernel report that.
extern "C" ssize_t write(int fd, const void* bytes, size_t size) {
  if (fd != short_fd) return ::syscall(SYS_write, fd, bytes, size);
  ++refused_writes;
  errno = ENOMEM;
  return -1;
}

namespace localproxy::net {
namespace {

using localproxy::test::run_ready;
using localproxy::test::run_until;
using testing::ElementsAre;
using testing::IsEmpty;

class ChannelRecorder : public LocalChannelEvents {
 public:
  void on_local_end(LocalChannel&) override { events.emplace_back("end"); }
  void on_broken(LocalChannel& channel) override {
    events.emplace_back("broken");
    channel.give_up();
  }
  void on_backlog(LocalChannel& channel, bool full) override {
    EXPECT_EQ(channel.full(), full);
    events.emplace_back(full ? "full" : "not full");
  }
  void on_stalled(LocalChannel&) override { events.emplace_back("stalled"); }
  void on_flushed(LocalChannel& channel) override {
    EXPECT_TRUE(channel.finishing());
    events.emplace_back("flushed");
  }
  std::vector<std::string> events;
};

// The owner of the tunnel that the channels belong to.
class IgnoredEvents : public TunnelEvents {
 public:
  Connection* open(uint16_t) override { return nullptr; }
  void send(const wire::Message&) override {}
  void note(std::string) override {}
};

// Long enough for what precedes it in a test.
constexpr std::chrono::milliseconds kStall{50};

// Two pipes, one for each direction: of each pair the first reads, the second writes.
bool make_channel(FdPair& ours, FdPair& peer) {
  auto to_us = make_pipe();
  auto to_peer = make_pipe();
  if (!to_us || !to_peer) return false;
  ours = {std::move(to_us->first), std::move(to_peer->second)};
  peer = {std::move(to_peer->first), std::move(to_us->second)};
  return true;
}

class LocalChannelTest : public testing::Test {
 protected:
  void SetUp() override {
    ::signal(SIGPIPE, SIG_IGN);
    ASSERT_TRUE(make_channel(ours_, peer_));
    tunnel_.local_opened(local_);
  }
  // Everything that the peer can read now.
  std::string read_peer() {
    std::string all;
    char buffer[65'536];
    for (ssize_t size = 0; (size = ::read(peer_.first.get(), buffer, sizeof buffer)) > 0;)
      all.append(buffer, static_cast<size_t>(size));
    return all;
  }
  void write(const std::string& text) { local_.deliver(as_bytes(text)); }
  // Writes until the channel is full and more than the backlog's limit waits; returns all of it.
  std::string write_until_full() {
    std::string all;
    while (!local_.full() && all.size() < (size_t{64} << 20)) {
      const std::string part =
          std::to_string(all.size()) + std::string(9'000, static_cast<char>(all.size() % 251));
      write(part);
      all += part;
    }
    return all;
  }

  // More than the backlog's limit, without a channel.
  void write_until_full_without_a_channel() { write(std::string(limits::kConnectionBacklog + 1, 'x')); }
  void run_for(std::chrono::milliseconds time) {
    event::Timer end(loop_, [this] { loop_.stop(); });
    end.start(time);
    loop_.run();
  }

  event::Loop loop_;
  ChannelRecorder recorder_;
  FdPair ours_;
  FdPair peer_;
  // The payloads of the DATA messages in the outbox.
  std::string take_sent() {
    std::string sent;
    Bytes bytes = sender_.outbox().pending();
    while (!bytes.empty()) {
      // A masked frame of one message: all of these are short.
      const size_t size = bytes[1] & 0x7fU;
      EXPECT_LT(size, 126U);
      std::string frame(size, '\0');
      auto* const to = reinterpret_cast<uint8_t*>(frame.data());
      wire::mask(to, bytes.data() + 6, size, {bytes[2], bytes[3], bytes[4], bytes[5]}, 0);
      wire::DataView data;
      EXPECT_TRUE(wire::decode_data(as_bytes(frame).subspan(2), data));
      sent += as_text(data.payload);
      bytes = bytes.subspan(6 + size);
    }
    sender_.outbox().consume(sender_.outbox().size());
    return sent;
  }
  // Frames messages until there is no room for one more.
  void fill_outbox() {
    while (sender_.has_room())
      sender_.send_data(local_.route_data(), sender_.payload_room().size());
  }

  size_t flushes_ = 0;
  Sender sender_{loop_, [this] { ++flushes_; }};
  LocalChannel local_{loop_, 5, 2, kStall, sender_, recorder_};
  IgnoredEvents ignored_;
  Tunnel tunnel_{true, {"A", "B", "C"}, Format{}, 1, 4, ignored_};
};

TEST_F(LocalChannelTest, KnowsItsNumberAndService) {
  EXPECT_EQ(local_.number(), 5U);
  EXPECT_EQ(local_.service(), 2U);
  EXPECT_FALSE(local_.attached());
  local_.attach(std::move(ours_));
  EXPECT_TRUE(local_.attached());
}

TEST_F(LocalChannelTest, WritesAtOnceWhatTheChannelTakes) {
  local_.attach(std::move(ours_));
  write("one ");
  write("two");
  EXPECT_EQ(read_peer(), "one two");
  EXPECT_THAT(recorder_.events, IsEmpty());
}

TEST_F(LocalChannelTest, WaitsForMemoryWithoutAskingAgainAndAgain) {
  short_fd = ours_.second.get();
  local_.attach(std::move(ours_));
  write("one ");
  write("two");
  run_for(5 * limits::kShortageRetry);
  EXPECT_GE(refused_writes, 2U);
  EXPECT_LE(refused_writes, 7U);
  EXPECT_THAT(recorder_.events, IsEmpty());
  short_fd = -1;
  std::string got;
  EXPECT_TRUE(run_until(loop_, [&] { return (got += read_peer()) == "one two"; }));
}

TEST_F(LocalChannelTest, KeepsWhatIsWrittenBeforeTheChannelExists) {
  write("one ");
  write("two");
  run_ready(loop_);
  EXPECT_EQ(read_peer(), "");
  local_.attach(std::move(ours_));
  EXPECT_EQ(read_peer(), "one two");
}

TEST_F(LocalChannelTest, IsFullOneByteAboveTheBacklogAndNotBefore) {
  write(std::string(limits::kConnectionBacklog, 'x'));
  EXPECT_FALSE(local_.full());
  EXPECT_THAT(recorder_.events, IsEmpty());
  write("y");
  EXPECT_TRUE(local_.full());
  write("z");
  EXPECT_THAT(recorder_.events, ElementsAre("full"));
}

TEST_F(LocalChannelTest, BytesKeepTheirOrderThroughTheBacklog) {
  local_.attach(std::move(ours_));
  const std::string sent = write_until_full();
  ASSERT_TRUE(local_.full());
  EXPECT_THAT(recorder_.events, ElementsAre("full"));
  std::string got;
  ASSERT_TRUE(run_until(loop_, [&] {
    got += read_peer();
    return got.size() >= sent.size();
  }));
  EXPECT_TRUE(got == sent);
  EXPECT_FALSE(local_.full());
  EXPECT_THAT(recorder_.events, ElementsAre("full", "not full"));
  write("after");
  EXPECT_EQ(read_peer(), "after") << "the backlog is empty: straight into the channel again";
}

TEST_F(LocalChannelTest, SaysThatItIsStuckAfterTheStallLimit) {
  write_until_full_without_a_channel();
  run_for(kStall * 3);
  EXPECT_THAT(recorder_.events, ElementsAre("full", "stalled"));
  local_.wait_again();
  run_for(kStall * 3);
  EXPECT_THAT(recorder_.events, ElementsAre("full", "stalled", "stalled"));
}

TEST_F(LocalChannelTest, TheStallLimitBeginsAnewWhenALittleIsTaken) {
  class Order : public ChannelRecorder {
   public:
    void on_stalled(LocalChannel& local) override { stalled.push_back(local.number()); }
    std::vector<ConnectionNumber> stalled;
  } order;
  constexpr std::chrono::milliseconds kLimit{1'000};
  LocalChannel slow(loop_, 6, 2, kLimit, sender_, order);
  LocalChannel stuck(loop_, 7, 2, kLimit, sender_, order);
  ASSERT_TRUE(resize_pipe(ours_.second.get(), 4'096));
  slow.attach(std::move(ours_));
  for (LocalChannel* local : {&slow, &stuck})
    local->deliver(as_bytes(std::string(2 * limits::kConnectionBacklog, 'x')));
  run_for(kStall);
  EXPECT_FALSE(read_peer().empty());
  for (int i = 0; i < 100 && order.stalled.size() < 2; ++i)
    run_for(kStall);
  EXPECT_THAT(order.stalled, ElementsAre(stuck.number(), slow.number()));
}

TEST_F(LocalChannelTest, WaitsForeverWithoutAStallLimit) {
  LocalChannel patient{loop_, 6, 2, std::chrono::milliseconds(0), sender_, recorder_};
  patient.deliver(as_bytes(std::string(limits::kConnectionBacklog + 1, 'x')));
  run_for(kStall * 3);
  EXPECT_THAT(recorder_.events, ElementsAre("full"));
}

TEST_F(LocalChannelTest, StaysFullUntilHalfOfTheBacklogIsGone) {
  // A small channel, so that it drains in small steps.
  ASSERT_TRUE(resize_pipe(ours_.second.get(), 4'096));
  local_.attach(std::move(ours_));
  size_t written = 0;
  while (!local_.full()) {
    write(std::string(1'000, 'x'));
    written += 1'000;
  }
  size_t read = 0;
  while (local_.full()) {
    char buffer[512];
    const ssize_t size = ::read(peer_.first.get(), buffer, sizeof buffer);
    ASSERT_GT(size, 0);
    read += static_cast<size_t>(size);
    run_ready(loop_);
  }
  // What was not read yet is in the backlog or in the small channel.
  EXPECT_LE(written - read, limits::kConnectionBacklog / 2 + 32'768);
  EXPECT_GE(written - read, limits::kConnectionBacklog / 2 - 8'192);
}

TEST_F(LocalChannelTest, FinishWithNothingWaitingIsFlushedAtOnce) {
  local_.attach(std::move(ours_));
  write("x");
  EXPECT_FALSE(local_.finishing());
  local_.finish();
  EXPECT_TRUE(local_.finishing());
  EXPECT_THAT(recorder_.events, ElementsAre("flushed"));
  EXPECT_EQ(read_peer(), "x");
}

TEST_F(LocalChannelTest, FinishWaitsForTheChannel) {
  local_.finish();
  run_ready(loop_);
  EXPECT_THAT(recorder_.events, IsEmpty());
  local_.attach(std::move(ours_));
  EXPECT_THAT(recorder_.events, ElementsAre("flushed"));
}

TEST_F(LocalChannelTest, FinishBeforeTheChannelWritesEverythingFirst) {
  write("last words");
  local_.finish();
  local_.attach(std::move(ours_));
  EXPECT_THAT(recorder_.events, ElementsAre("flushed"));
  EXPECT_EQ(read_peer(), "last words");
}

TEST_F(LocalChannelTest, FinishWaitsForTheBacklog) {
  local_.attach(std::move(ours_));
  const std::string sent = write_until_full();
  local_.finish();
  run_ready(loop_);
  EXPECT_THAT(recorder_.events, ElementsAre("full"));
  std::string got;
  ASSERT_TRUE(run_until(loop_, [&] {
    got += read_peer();
    return recorder_.events.back() == "flushed";
  }));
  got += read_peer();
  EXPECT_TRUE(got == sent);
  run_ready(loop_);
  EXPECT_THAT(recorder_.events, ElementsAre("full", "not full", "flushed"));
}

TEST_F(LocalChannelTest, FinishStopsReading) {
  local_.attach(std::move(ours_));
  write_until_full();
  local_.finish();
  ASSERT_EQ(::write(peer_.second.get(), "x", 1), 1);
  run_ready(loop_);
  EXPECT_THAT(recorder_.events, ElementsAre("full"));
}

TEST_F(LocalChannelTest, WritingToAnEndedLocalSideIsBroken) {
  local_.attach(std::move(ours_));
  peer_ = FdPair();
  write("x");
  EXPECT_THAT(recorder_.events, ElementsAre("broken"));
}

TEST_F(LocalChannelTest, ABacklogWithoutAReaderIsBroken) {
  local_.attach(std::move(ours_));
  write_until_full();
  sender_.set_blocked(true);  // nothing is read meanwhile
  peer_ = FdPair();
  ASSERT_TRUE(run_until(loop_, [&] { return recorder_.events.back() == "broken"; }));
  EXPECT_THAT(recorder_.events, ElementsAre("full", "broken"));
}

TEST_F(LocalChannelTest, ABrokenChannelIsNoticedWhenItIsAttached) {
  write("x");
  peer_ = FdPair();
  local_.attach(std::move(ours_));
  EXPECT_THAT(recorder_.events, ElementsAre("broken"));
}

TEST_F(LocalChannelTest, AfterGivingUpItTakesAndReportsNothing) {
  local_.attach(std::move(ours_));
  local_.give_up();
  write("x");
  EXPECT_EQ(read_peer(), "");
  peer_ = FdPair();
  write("x");
  EXPECT_THAT(recorder_.events, IsEmpty());
}

TEST_F(LocalChannelTest, SendsWhatItReadsAndThenSaysThatItHasEnded) {
  local_.attach(std::move(ours_));
  run_ready(loop_);
  EXPECT_EQ(flushes_, 0U) << "nothing is there yet";
  ASSERT_EQ(::write(peer_.second.get(), "abcdef", 6), 6);
  ASSERT_TRUE(run_until(loop_, [this] { return flushes_ == 1; }));
  EXPECT_EQ(take_sent(), "abcdef");
  EXPECT_FALSE(local_.sends_much());
  EXPECT_THAT(recorder_.events, IsEmpty());
  peer_.second.reset();
  ASSERT_TRUE(run_until(loop_, [this] { return !recorder_.events.empty(); }));
  local_.finish();
  EXPECT_EQ(recorder_.events.front(), "end");
  EXPECT_EQ(take_sent(), "");
}

TEST_F(LocalChannelTest, ABrokenChannelReadsAsItsEnd) {
  local_.attach(std::move(ours_));
  write("never read");
  peer_ = FdPair();
  ASSERT_TRUE(run_until(loop_, [this] { return !recorder_.events.empty(); }));
  EXPECT_EQ(recorder_.events.front(), "end");
  local_.give_up();
}

TEST_F(LocalChannelTest, ReadsNothingWithoutRoomInTheOutboxAndGoesOnWhenThereIs) {
  local_.attach(std::move(ours_));
  fill_outbox();
  ASSERT_EQ(::write(peer_.second.get(), "x", 1), 1);
  run_for(kStall);
  sender_.serve_waiting();
  run_ready(loop_);
  EXPECT_FALSE(sender_.has_room());
  sender_.outbox().consume(sender_.outbox().size());
  EXPECT_EQ(take_sent(), "");
  sender_.serve_waiting();
  EXPECT_EQ(take_sent(), "x");
}

TEST_F(LocalChannelTest, ReadsNothingWhileTheSocketTakesNothing) {
  local_.attach(std::move(ours_));
  sender_.set_blocked(true);
  ASSERT_EQ(::write(peer_.second.get(), "x", 1), 1);
  run_for(kStall);
  sender_.serve_waiting();
  EXPECT_EQ(take_sent(), "");
  sender_.set_blocked(false);
  sender_.serve_waiting();
  EXPECT_EQ(take_sent(), "x");
}

TEST_F(LocalChannelTest, AKeystrokeGoesBeforeADownload) {
  FdPair second, second_peer;
  ASSERT_TRUE(make_channel(second, second_peer));
  LocalChannel bulk(loop_, 6, 2, kStall, sender_, recorder_);
  tunnel_.local_opened(bulk);
  bulk.attach(std::move(second));
  const std::string much(limits::kBulkRead, 'b');
  ASSERT_EQ(::write(second_peer.second.get(), much.data(), much.size()), static_cast<ssize_t>(much.size()));
  ASSERT_TRUE(run_until(loop_, [&] { return bulk.sends_much(); }));
  sender_.outbox().consume(sender_.outbox().size());

  sender_.set_blocked(true);
  ASSERT_EQ(::write(second_peer.second.get(), "bulk", 4), 4);
  run_for(kStall);
  local_.attach(std::move(ours_));
  ASSERT_EQ(::write(peer_.second.get(), "key", 3), 3);
  run_for(kStall);
  sender_.set_blocked(false);
  sender_.serve_waiting();
  EXPECT_EQ(take_sent(), "keybulk");
}

TEST_F(LocalChannelTest, StopsWaitingForRoomWhenDestroyed) {
  FdPair second, second_peer;
  ASSERT_TRUE(make_channel(second, second_peer));
  auto gone = std::make_unique<LocalChannel>(loop_, 6, 2, kStall, sender_, recorder_);
  tunnel_.local_opened(*gone);
  gone->attach(std::move(second));
  sender_.set_blocked(true);
  ASSERT_EQ(::write(second_peer.second.get(), "x", 1), 1);
  run_for(kStall);
  tunnel_.forget(*gone);
  gone.reset();
  sender_.set_blocked(false);
  sender_.serve_waiting();
  EXPECT_EQ(take_sent(), "");
}

}  // namespace
}  // namespace localproxy::net
