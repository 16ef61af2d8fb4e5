#include "bridge/pump.h"

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "base/limits.h"
#include "tests/unit/base/no_descriptors.h"
#include "tests/unit/bridge/pattern.h"
#include "tests/unit/bridge/refusals.h"
#include "tests/unit/bridge/tcp_pair.h"

namespace localproxy::bridge {
namespace {

using Outcome = Pump::Outcome;
using localproxy::test::refuse_sizes;
using localproxy::test::refused_sizes;
using localproxy::test::splice_error;
using localproxy::test::splices;

// Everything that can be read now, up to `most` bytes.
std::string read_some(int fd, size_t most = SIZE_MAX) {
  std::string all;
  char buffer[16'384];
  while (all.size() < most) {
    const ssize_t size = ::read(fd, buffer, std::min(sizeof buffer, most - all.size()));
    if (size <= 0) break;
    all.append(buffer, static_cast<size_t>(size));
  }
  return all;
}

// Whether the kernel says that it is readable, or writable.
bool is_ready(int fd, short events, std::chrono::milliseconds most = {}) {
  pollfd wait{fd, events, 0};
  return ::poll(&wait, 1, static_cast<int>(most.count())) == 1;
}

size_t room_of(int pipe) {
  const int size = ::fcntl(pipe, F_GETPIPE_SZ);
  return size < 0 ? 0 : static_cast<size_t>(size);
}

// A channel, and a local side that is a socket.
class PumpTest : public testing::Test {
 protected:
  void SetUp() override {
    ::signal(SIGPIPE, SIG_IGN);
    auto channel = pipes_.make();
    auto local = make_socketpair(SOCK_STREAM);
    ASSERT_TRUE(channel.ok() && local.ok());
    channel_ = std::move(*channel);
    local_ = std::move(local->first);
    client_ = std::move(local->second);
  }
  void TearDown() override {
    splice_error = 0;
    refuse_sizes = false;
  }
  static void write(int fd, const std::string& text) {
    ASSERT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  // Runs it as a loop does: while what it waits for is ready. Returns the last outcome.
  static Outcome run(Pump& pump, int from, int to) {
    for (int i = 0; i < 1'000'000; ++i) {
      const bool ready = pump.waits_for_output() ? is_ready(to, POLLOUT) : is_ready(from, POLLIN);
      if (!ready) return Outcome::kWaits;
      const Outcome outcome = pump.run(from, to);
      if (outcome != Outcome::kWaits) return outcome;
    }
    ADD_FAILURE() << "it spins";
    return Outcome::kStuck;
  }
  Outcome run() { return run(in_, channel_.bridge.first.get(), local_.get()); }
  // Writes until the pump moves nothing more and the pipe is full; returns what was written.
  std::string fill() {
    const std::string source = test::pattern(size_t{8} << 20);
    size_t written = 0;
    for (;;) {
      const ssize_t size = ::write(net_writes(), source.data() + written, source.size() - written);
      if (size > 0) written += static_cast<size_t>(size);
      EXPECT_EQ(run(), Outcome::kWaits);
      if (size <= 0 && in_.waits_for_output()) return source.substr(0, written);
    }
  }
  // As after a while in which nothing moves.
  void become_idle() {
    in_.begin(channel_.bridge.first.get());
    in_.rest(channel_.bridge.first.get());
  }
  size_t room() const { return room_of(net_writes()); }
  int net_writes() const { return channel_.net.second.get(); }

  Pipes pipes_;
  ChannelEnds channel_;
  UniqueFd local_, client_;
  Pump in_{pipes_};
};

TEST_F(PumpTest, WaitsForBytes) {
  EXPECT_EQ(run(), Outcome::kWaits);
  EXPECT_EQ(in_.run(channel_.bridge.first.get(), local_.get()), Outcome::kWaits);
  EXPECT_EQ(in_.bytes(), 0U);
}

TEST_F(PumpTest, MovesWhatIsThere) {
  write(net_writes(), "hello");
  EXPECT_EQ(run(), Outcome::kWaits);
  EXPECT_EQ(read_some(client_.get()), "hello");
  EXPECT_EQ(in_.bytes(), 5U);
}

TEST_F(PumpTest, MovesAKeystrokeWithOneSplice) {
  write(net_writes(), "k");
  splices = 0;
  EXPECT_EQ(run(), Outcome::kWaits);
  EXPECT_EQ(splices, 1U);
}

TEST_F(PumpTest, GivesOthersTheirTurn) {
  ASSERT_TRUE(resize_pipe(net_writes(), size_t{1} << 20));
  write(net_writes(), test::pattern(500'000));
  EXPECT_EQ(in_.run(channel_.bridge.first.get(), local_.get()), Outcome::kWaits);
  EXPECT_LE(in_.bytes(), limits::kBulkPipe);
}

TEST_F(PumpTest, AllBytesReachASlowClientInOrder) {
  const std::string sent = test::pattern(size_t{3} << 20);
  std::string got;
  size_t written = 0;
  bool waited = false;
  for (size_t turn = 0; got.size() < sent.size(); ++turn) {
    ASSERT_LT(turn, 1'000'000U);
    const ssize_t size = ::write(net_writes(), sent.data() + written, sent.size() - written);
    if (size > 0) written += static_cast<size_t>(size);
    ASSERT_EQ(run(), Outcome::kWaits);
    waited |= in_.waits_for_output();
    got += read_some(client_.get(), 1'000 + turn % 7'000);
  }
  EXPECT_TRUE(waited) << "the client was slow enough to be waited for";
  EXPECT_TRUE(got == sent);
  EXPECT_EQ(in_.bytes(), sent.size());
}

TEST_F(PumpTest, TheEndOfNetComesAfterAllBytes) {
  write(net_writes(), "last");
  channel_.net.second.reset();
  EXPECT_EQ(run(), Outcome::kEnd);
  EXPECT_EQ(read_some(client_.get()), "last");
}

TEST_F(PumpTest, AGoneClientBreaksThePump) {
  write(net_writes(), "x");
  client_.reset();
  EXPECT_EQ(run(), Outcome::kBroken);
}

TEST_F(PumpTest, TheEndWaitsForASlowClient) {
  const std::string sent = fill();
  channel_.net.second.reset();
  std::string got;
  Outcome outcome = run();
  EXPECT_EQ(outcome, Outcome::kWaits);
  EXPECT_TRUE(in_.waits_for_output());
  for (int turn = 0; outcome != Outcome::kEnd; ++turn) {
    ASSERT_LT(turn, 1'000'000);
    ASSERT_EQ(outcome, Outcome::kWaits);
    got += read_some(client_.get(), 5'000);
    outcome = run();
  }
  got += read_some(client_.get());
  EXPECT_TRUE(got == sent);
  EXPECT_EQ(in_.bytes(), sent.size());
}

TEST_F(PumpTest, AClientThatLeavesWhileBytesWaitBreaksThePump) {
  fill();
  client_.reset();
  EXPECT_EQ(run(), Outcome::kBroken);
}

// The last piece of 16 must not wait for more that does not come.
TEST_F(PumpTest, SixteenPagesLeaveAtOnce) {
  FdPair tcp = test::tcp_pair();
  const int on = 1;
  ASSERT_EQ(::setsockopt(tcp.second.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
  ASSERT_TRUE(resize_pipe(net_writes(), limits::kBulkPipe));
  for (int i = 0; i < 5; ++i) {
    const std::string sent = test::pattern(limits::kMaxPayload);
    write(net_writes(), sent);
    ASSERT_EQ(run(in_, channel_.bridge.first.get(), tcp.second.get()), Outcome::kWaits);
    ASSERT_EQ(in_.bytes(), sent.size() * static_cast<size_t>(i + 1));
    std::string got;
    // The kernel would keep the rest back for 200 ms.
    while (got.size() < sent.size()) {
      ASSERT_TRUE(is_ready(tcp.first.get(), POLLIN, std::chrono::milliseconds(100))) << got.size();
      got += read_some(tcp.first.get());
    }
    EXPECT_TRUE(got == sent);
  }
}

// ---- what the kernel refuses ----

TEST_F(PumpTest, WaitsForMemory) {
  write(net_writes(), "hello");
  splice_error = ENOMEM;
  EXPECT_EQ(run(), Outcome::kShort);
  EXPECT_TRUE(in_.paused());
  EXPECT_NE(in_.shortage().find("splice: Cannot allocate memory"), std::string::npos);
  splice_error = 0;
  in_.resume();
  EXPECT_FALSE(in_.paused());
  EXPECT_EQ(run(), Outcome::kWaits);
  EXPECT_EQ(read_some(client_.get()), "hello");
}

TEST_F(PumpTest, DoesNotSpinWhenBothSidesAreReadyAndNothingMoves) {
  write(net_writes(), "hello");
  splice_error = EAGAIN;
  splices = 0;
  EXPECT_EQ(run(), Outcome::kStuck);
  EXPECT_LE(splices, 3U);
  EXPECT_TRUE(in_.paused());
  splice_error = 0;
  in_.resume();
  EXPECT_EQ(run(), Outcome::kWaits);
  EXPECT_EQ(read_some(client_.get()), "hello");
}

// ---- sizes ----

TEST_F(PumpTest, AnIdlePipeIsSmall) {
  EXPECT_EQ(room(), limits::kPipe) << "a new one may be about to carry much";
  become_idle();
  EXPECT_EQ(room(), limits::kIdlePipe);
  write(net_writes(), test::pattern(limits::kBulkSplice / 4));
  ASSERT_EQ(run(), Outcome::kWaits);
  EXPECT_EQ(room(), limits::kIdlePipe);
}

TEST_F(PumpTest, APipeGrowsForManyBytes) {
  become_idle();
  const std::string piece = test::pattern(limits::kIdlePipe);
  for (int i = 0; i < 2; ++i) {
    write(net_writes(), piece);
    ASSERT_EQ(run(), Outcome::kWaits);
  }
  EXPECT_EQ(room(), limits::kPipe);
  write(net_writes(), test::pattern(limits::kBulkSplice));
  ASSERT_EQ(run(), Outcome::kWaits);
  EXPECT_EQ(room(), limits::kBulkPipe);
}

TEST_F(PumpTest, APipeShrinksWhenItIsNoLongerBusy) {
  const int pipe = channel_.bridge.first.get();
  fill();
  ASSERT_EQ(room(), limits::kBulkPipe);
  EXPECT_TRUE(in_.grown());
  in_.rest(pipe);
  EXPECT_EQ(room(), limits::kBulkPipe) << "it was busy since the last time";
  in_.rest(pipe);
  EXPECT_EQ(room(), limits::kBulkPipe) << "it is full";
  EXPECT_TRUE(in_.grown());
  while (!read_some(client_.get()).empty())
    ASSERT_EQ(run(), Outcome::kWaits);
  in_.rest(pipe);
  in_.rest(pipe);
  EXPECT_EQ(room(), limits::kIdlePipe);
  EXPECT_FALSE(in_.grown());
  fill();
  EXPECT_EQ(room(), limits::kBulkPipe) << "and grows again";
}

TEST_F(PumpTest, WithoutALargePipeAllBytesArrive) {
  become_idle();
  refuse_sizes = true;
  const std::string sent = test::pattern(size_t{1} << 20);
  size_t written = 0;
  std::string got;
  while (got.size() < sent.size()) {
    const ssize_t size = ::write(net_writes(), sent.data() + written, sent.size() - written);
    if (size > 0) written += static_cast<size_t>(size);
    ASSERT_EQ(run(), Outcome::kWaits);
    got += read_some(client_.get());
  }
  EXPECT_TRUE(got == sent);
  EXPECT_EQ(room(), limits::kIdlePipe);
  EXPECT_EQ(refused_sizes, 1U) << "for limits::kPipeRefused it does not ask again";
  refused_sizes = 0;
}

TEST(PipesTest, OnlySoManyAreLarge) {
  Pipes pipes;
  auto channel = pipes.make();
  ASSERT_TRUE(channel.ok());
  const int pipe = channel->bridge.first.get();
  for (size_t i = 0; i < limits::kMostBulkPipes; ++i)
    ASSERT_TRUE(pipes.grow(pipe, limits::kBulkPipe));
  EXPECT_FALSE(pipes.grow(pipe, limits::kBulkPipe));
  EXPECT_TRUE(pipes.grow(pipe, limits::kPipe)) << "the others are not counted";
  pipes.forget(limits::kPipe);
  EXPECT_FALSE(pipes.grow(pipe, limits::kBulkPipe));
  pipes.forget(limits::kBulkPipe);
  EXPECT_TRUE(pipes.grow(pipe, limits::kBulkPipe)) << "one was closed";
  EXPECT_TRUE(pipes.shrink(pipe, limits::kBulkPipe));
  EXPECT_TRUE(pipes.grow(pipe, limits::kBulkPipe)) << "one has become small";
}

TEST(PipesTest, APumpReturnsItsLargePipeAtItsEnd) {
  Pipes pipes;
  auto channel = pipes.make();
  auto local = make_socketpair(SOCK_STREAM);
  ASSERT_TRUE(channel.ok() && local.ok());
  for (size_t i = 0; i <= limits::kMostBulkPipes; ++i) {
    Pump pump(pipes);
    pump.begin(channel->bridge.first.get());
    const std::string piece = test::pattern(limits::kBulkSplice);
    ASSERT_EQ(::write(channel->net.second.get(), piece.data(), piece.size()),
              static_cast<ssize_t>(piece.size()));
    ASSERT_EQ(pump.run(channel->bridge.first.get(), local->first.get()), Outcome::kWaits);
    ASSERT_EQ(room_of(channel->bridge.first.get()), limits::kBulkPipe) << i;
    read_some(local->second.get());
    ASSERT_TRUE(resize_pipe(channel->bridge.first.get(), limits::kIdlePipe));
  }
}

TEST(PipesTest, ARefusedSizeDoesNotPreventSmallerOnes) {
  Pipes pipes;
  auto channel = pipes.make();
  ASSERT_TRUE(channel.ok());
  const int pipe = channel->bridge.first.get();
  refuse_sizes = true;
  EXPECT_FALSE(pipes.grow(pipe, limits::kBulkPipe));
  EXPECT_FALSE(pipes.grow(pipe, limits::kBulkPipe));
  EXPECT_EQ(refused_sizes, 1U);
  refuse_sizes = false;
  EXPECT_FALSE(pipes.grow(pipe, limits::kBulkPipe)) << "not so soon";
  EXPECT_TRUE(pipes.grow(pipe, limits::kPipe));
  EXPECT_EQ(room_of(pipe), limits::kPipe);
  refused_sizes = 0;
}

TEST(PipesTest, AChannelGoesBothWays) {
  Pipes pipes;
  auto channel = pipes.make();
  ASSERT_TRUE(channel.ok());
  ASSERT_EQ(::write(channel->bridge.second.get(), "out", 3), 3);
  EXPECT_EQ(read_some(channel->net.first.get()), "out");
  ASSERT_EQ(::write(channel->net.second.get(), "in", 2), 2);
  EXPECT_EQ(Pipes::waiting(channel->bridge.first.get()), 2U);
  EXPECT_EQ(read_some(channel->bridge.first.get()), "in");
}

TEST(PipesTest, WithoutDescriptorsThereIsNoChannel) {
  const localproxy::test::NoDescriptors none;
  Pipes pipes;
  const auto channel = pipes.make();
  ASSERT_FALSE(channel.ok());
  EXPECT_NE(channel.error().text().find("Too many open files"), std::string::npos);
}

}  // namespace
}  // namespace localproxy::bridge
