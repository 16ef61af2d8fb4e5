#include "net/local.h"

#include <errno.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/limits.h"
#include "tests/unit/ipc/run_loop.h"

namespace {

// The descriptor for which the kernel has no memory, and how often it was written to.
int short_fd = -1;
size_t refused_writes = 0;

}  // namespace

// In the place of libc's: nothing else makes the kernel say that.
extern "C" ssize_t write(int fd, const void* bytes, size_t size) {
  if (fd != short_fd) return ::syscall(SYS_write, fd, bytes, size);
  ++refused_writes;
  errno = ENOBUFS;
  return -1;
}

namespace localproxy::net {
namespace {

using test::run_ready;
using test::run_until;
using testing::ElementsAre;
using testing::IsEmpty;

class Recorder : public LocalEvents {
 public:
  void on_readable(Local& local) override {
    events.emplace_back("readable");
    // As the owner does it when it has no room: one report is enough.
    local.want_read(false);
  }
  void on_broken(Local& local) override {
    events.emplace_back("broken");
    local.dead = true;
  }
  void on_backlog(Local& local, bool full) override {
    EXPECT_EQ(local.full(), full);
    events.emplace_back(full ? "full" : "not full");
  }
  void on_stalled(Local&) override { events.emplace_back("stalled"); }
  void on_flushed(Local& local) override {
    EXPECT_TRUE(local.finishing());
    events.emplace_back("flushed");
  }
  std::vector<std::string> events;
};

// Long enough for what comes before it in a test.
constexpr std::chrono::milliseconds kStall{50};

class LocalTest : public testing::Test {
 protected:
  void SetUp() override {
    ::signal(SIGPIPE, SIG_IGN);
    auto pair = make_socketpair(SOCK_STREAM);
    ASSERT_TRUE(pair.ok());
    ours_ = std::move(pair->first);
    peer_ = std::move(pair->second);
  }
  // Everything that the peer can read now.
  std::string read_peer() {
    std::string all;
    char buffer[65'536];
    for (ssize_t size = 0; (size = ::read(peer_.get(), buffer, sizeof buffer)) > 0;)
      all.append(buffer, static_cast<size_t>(size));
    return all;
  }
  void write(const std::string& text) { local_.write(as_bytes(text)); }
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
  void write_until_full_of_nobody() { write(std::string(limits::kConnectionBacklog + 1, 'x')); }
  void run_for(std::chrono::milliseconds time) {
    event::Timer end(loop_, [this] { loop_.stop(); });
    end.start(time);
    loop_.run();
  }

  event::Loop loop_;
  Recorder recorder_;
  UniqueFd ours_;
  UniqueFd peer_;
  Local local_{loop_, 5, 2, kStall, recorder_};
};

TEST_F(LocalTest, KnowsItsNumberAndService) {
  EXPECT_EQ(local_.number(), 5U);
  EXPECT_EQ(local_.service(), 2U);
  EXPECT_FALSE(local_.attached());
  local_.attach(std::move(ours_));
  EXPECT_TRUE(local_.attached());
}

TEST_F(LocalTest, WritesAtOnceWhatTheChannelTakes) {
  local_.attach(std::move(ours_));
  write("one ");
  write("two");
  EXPECT_EQ(read_peer(), "one two");
  EXPECT_THAT(recorder_.events, IsEmpty());
}

TEST_F(LocalTest, WaitsForMemoryWithoutAskingAgainAndAgain) {
  short_fd = ours_.get();
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

TEST_F(LocalTest, KeepsWhatIsWrittenBeforeTheChannelIsThere) {
  write("one ");
  write("two");
  run_ready(loop_);
  EXPECT_EQ(read_peer(), "");
  local_.attach(std::move(ours_));
  EXPECT_EQ(read_peer(), "one two");
}

TEST_F(LocalTest, IsFullOneByteAboveTheBacklogAndNotBefore) {
  write(std::string(limits::kConnectionBacklog, 'x'));
  EXPECT_FALSE(local_.full());
  EXPECT_THAT(recorder_.events, IsEmpty());
  write("y");
  EXPECT_TRUE(local_.full());
  write("z");
  EXPECT_THAT(recorder_.events, ElementsAre("full"));
}

TEST_F(LocalTest, BytesKeepTheirOrderThroughTheBacklog) {
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

TEST_F(LocalTest, SaysThatItIsStuckAfterTheStallLimit) {
  write_until_full_of_nobody();
  run_for(kStall * 3);
  EXPECT_THAT(recorder_.events, ElementsAre("full", "stalled"));
  local_.wait_again();
  run_for(kStall * 3);
  EXPECT_THAT(recorder_.events, ElementsAre("full", "stalled", "stalled"));
}

TEST_F(LocalTest, TheStallLimitBeginsAnewWhenALittleIsTaken) {
  class Order : public Recorder {
   public:
    void on_stalled(Local& local) override { stalled.push_back(local.number()); }
    std::vector<Number> stalled;
  } order;
  constexpr std::chrono::milliseconds kLimit{1'000};
  Local slow(loop_, 6, 2, kLimit, order);
  Local stuck(loop_, 7, 2, kLimit, order);
  const int small = 4'096;
  ASSERT_EQ(::setsockopt(ours_.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
  slow.attach(std::move(ours_));
  for (Local* local : {&slow, &stuck})
    local->write(as_bytes(std::string(2 * limits::kConnectionBacklog, 'x')));
  run_for(kStall);
  EXPECT_FALSE(read_peer().empty());
  for (int i = 0; i < 100 && order.stalled.size() < 2; ++i)
    run_for(kStall);
  EXPECT_THAT(order.stalled, ElementsAre(stuck.number(), slow.number()));
}

TEST_F(LocalTest, WaitsForEverWithoutAStallLimit) {
  Local patient{loop_, 6, 2, std::chrono::milliseconds(0), recorder_};
  patient.write(as_bytes(std::string(limits::kConnectionBacklog + 1, 'x')));
  run_for(kStall * 3);
  EXPECT_THAT(recorder_.events, ElementsAre("full"));
}

TEST_F(LocalTest, StaysFullUntilHalfOfTheBacklogIsGone) {
  // A small channel, so that it drains in small steps.
  const int small = 4'096;
  ASSERT_EQ(::setsockopt(ours_.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
  local_.attach(std::move(ours_));
  size_t written = 0;
  while (!local_.full()) {
    write(std::string(1'000, 'x'));
    written += 1'000;
  }
  size_t read = 0;
  while (local_.full()) {
    char buffer[512];
    const ssize_t size = ::read(peer_.get(), buffer, sizeof buffer);
    ASSERT_GT(size, 0);
    read += static_cast<size_t>(size);
    run_ready(loop_);
  }
  // What was not read yet stands in the backlog or in the small channel.
  EXPECT_LE(written - read, limits::kConnectionBacklog / 2 + 32'768);
  EXPECT_GE(written - read, limits::kConnectionBacklog / 2 - 8'192);
}

TEST_F(LocalTest, FinishWithNothingWaitingIsFlushedAtOnce) {
  local_.attach(std::move(ours_));
  write("x");
  EXPECT_FALSE(local_.finishing());
  local_.finish();
  EXPECT_TRUE(local_.finishing());
  EXPECT_THAT(recorder_.events, ElementsAre("flushed"));
  EXPECT_EQ(read_peer(), "x");
}

TEST_F(LocalTest, FinishWaitsForTheChannel) {
  local_.finish();
  run_ready(loop_);
  EXPECT_THAT(recorder_.events, IsEmpty());
  local_.attach(std::move(ours_));
  EXPECT_THAT(recorder_.events, ElementsAre("flushed"));
}

TEST_F(LocalTest, FinishBeforeTheChannelWritesEverythingFirst) {
  write("last words");
  local_.finish();
  local_.attach(std::move(ours_));
  EXPECT_THAT(recorder_.events, ElementsAre("flushed"));
  EXPECT_EQ(read_peer(), "last words");
}

TEST_F(LocalTest, FinishWaitsForTheBacklog) {
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

TEST_F(LocalTest, FinishStopsReading) {
  local_.attach(std::move(ours_));
  write_until_full();
  local_.finish();
  ASSERT_EQ(::write(peer_.get(), "x", 1), 1);
  run_ready(loop_);
  EXPECT_THAT(recorder_.events, ElementsAre("full"));
}

TEST_F(LocalTest, WritingToAnEndedLocalSideIsBroken) {
  local_.attach(std::move(ours_));
  local_.want_read(false);
  peer_.reset();
  write("x");
  EXPECT_THAT(recorder_.events, ElementsAre("broken"));
}

TEST_F(LocalTest, ABacklogThatNobodyWillReadIsBroken) {
  local_.attach(std::move(ours_));
  local_.want_read(false);
  write_until_full();
  peer_.reset();
  ASSERT_TRUE(run_until(loop_, [&] { return recorder_.events.back() == "broken"; }));
  EXPECT_THAT(recorder_.events, ElementsAre("full", "broken"));
}

TEST_F(LocalTest, ABrokenChannelIsNoticedWhenItIsAttached) {
  write("x");
  peer_.reset();
  local_.attach(std::move(ours_));
  EXPECT_THAT(recorder_.events, ElementsAre("broken"));
}

TEST_F(LocalTest, OnceGivenUpItTakesAndSaysNothing) {
  local_.attach(std::move(ours_));
  local_.dead = true;
  write("x");
  EXPECT_EQ(read_peer(), "");
  peer_.reset();
  write("x");
  EXPECT_THAT(recorder_.events, IsEmpty());
}

TEST_F(LocalTest, ReadsBytesAndThenTheEnd) {
  local_.attach(std::move(ours_));
  uint8_t buffer[4];
  bool end = true;
  EXPECT_EQ(local_.read(buffer, end), 0U);
  EXPECT_FALSE(end) << "nothing is there yet";
  ASSERT_EQ(::write(peer_.get(), "abcdef", 6), 6);
  EXPECT_EQ(local_.read(buffer, end), 4U);
  EXPECT_EQ(as_text(buffer), "abcd");
  EXPECT_EQ(local_.read(buffer, end), 2U);
  EXPECT_FALSE(end);
  ::shutdown(peer_.get(), SHUT_WR);
  EXPECT_EQ(local_.read(buffer, end), 0U);
  EXPECT_TRUE(end);
}

TEST_F(LocalTest, ABrokenChannelReadsAsItsEnd) {
  local_.attach(std::move(ours_));
  write("never read");
  peer_.reset();  // the kernel reports ECONNRESET
  uint8_t buffer[4];
  bool end = false;
  EXPECT_EQ(local_.read(buffer, end), 0U);
  EXPECT_TRUE(end);
}

TEST_F(LocalTest, SaysThatItIsReadableOnlyWhileAsked) {
  local_.attach(std::move(ours_));
  ASSERT_EQ(::write(peer_.get(), "x", 1), 1);
  ASSERT_TRUE(run_until(loop_, [&] { return !recorder_.events.empty(); }));
  run_ready(loop_);
  EXPECT_THAT(recorder_.events, ElementsAre("readable"));
  local_.want_read(true);
  ASSERT_TRUE(run_until(loop_, [&] { return recorder_.events.size() > 1; }));
  EXPECT_THAT(recorder_.events, ElementsAre("readable", "readable"));
}

}  // namespace
}  // namespace localproxy::net
