#include "bridge/pooled_pump.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <string>

#include "base/limits.h"
#include "tests/unit/bridge/pattern.h"

namespace localproxy::bridge {
namespace pooled {
namespace {

using Outcome = PooledPump::Outcome;

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

size_t bytes_in(const FdPair& pipe) {
  int size = -1;
  EXPECT_EQ(::ioctl(pipe.first.get(), FIONREAD, &size), 0);
  return static_cast<size_t>(size);
}

class PooledPumpTest : public testing::Test {
 protected:
  void SetUp() override {
    ::signal(SIGPIPE, SIG_IGN);
    auto in = make_socketpair(SOCK_STREAM);
    auto out = make_socketpair(SOCK_STREAM);
    ASSERT_TRUE(in.ok() && out.ok());
    writer_ = std::move(in->first);
    from_ = std::move(in->second);
    to_ = std::move(out->first);
    reader_ = std::move(out->second);
  }
  Outcome run() { return pump_.run(from_.get(), to_.get()); }
  void write(const std::string& text) {
    ASSERT_EQ(::write(writer_.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  // Writes until the pump moves nothing more; returns what was written.
  std::string fill() {
    const std::string source = test::pattern(size_t{8} << 20);
    size_t written = 0;
    for (;;) {
      const ssize_t size = ::write(writer_.get(), source.data() + written, source.size() - written);
      if (size > 0) written += static_cast<size_t>(size);
      const Outcome outcome = run();
      if (size <= 0 && outcome == Outcome::kWaitOut) return source.substr(0, written);
    }
  }

  UniqueFd writer_, from_, to_, reader_;
  PipePool pool_;
  PooledPump pump_{pool_};
};

TEST_F(PooledPumpTest, WaitsForBytes) {
  EXPECT_EQ(run(), Outcome::kWaitIn);
  EXPECT_EQ(pump_.bytes(), 0U);
}

TEST_F(PooledPumpTest, MovesWhatIsThere) {
  write("hello");
  EXPECT_EQ(run(), Outcome::kWaitIn);
  EXPECT_EQ(read_some(reader_.get()), "hello");
  EXPECT_EQ(pump_.bytes(), 5U);
}

TEST_F(PooledPumpTest, GivesOthersTheirTurn) {
  const int large = 4 << 20;
  ASSERT_EQ(::setsockopt(writer_.get(), SOL_SOCKET, SO_SNDBUF, &large, sizeof large), 0);
  ASSERT_EQ(::setsockopt(to_.get(), SOL_SOCKET, SO_SNDBUF, &large, sizeof large), 0);
  // Small pieces, so that one splice never takes all of them.
  for (int i = 0; i < 400; ++i)
    write(test::pattern(500));
  EXPECT_NE(run(), Outcome::kWaitIn);
  EXPECT_LT(pump_.bytes(), 200'000U);
}

TEST_F(PooledPumpTest, AllBytesArriveInOrderAtASlowReader) {
  const std::string sent = test::pattern(size_t{3} << 20);
  std::string got;
  size_t written = 0;
  bool waited = false;
  for (size_t turn = 0; got.size() < sent.size(); ++turn) {
    ASSERT_LT(turn, 1'000'000U);
    const ssize_t size = ::write(writer_.get(), sent.data() + written, sent.size() - written);
    if (size > 0) written += static_cast<size_t>(size);
    const Outcome outcome = run();
    ASSERT_TRUE(outcome != Outcome::kEnd && outcome != Outcome::kBroken);
    waited |= outcome == Outcome::kWaitOut;
    got += read_some(reader_.get(), 1'000 + turn % 7'000);
  }
  EXPECT_TRUE(waited) << "the reader was slow enough to be waited for";
  EXPECT_TRUE(got == sent);
  EXPECT_EQ(pump_.bytes(), sent.size());
}

TEST_F(PooledPumpTest, TheEndComesAfterAllBytes) {
  write("last");
  writer_.reset();
  EXPECT_EQ(run(), Outcome::kWaitIn) << "a few bytes: whether there are more is asked in the next turn";
  EXPECT_EQ(run(), Outcome::kEnd);
  EXPECT_EQ(read_some(reader_.get()), "last");
}

TEST_F(PooledPumpTest, TheEndWaitsForASlowReader) {
  const std::string sent = fill();
  writer_.reset();
  std::string got;
  Outcome outcome = run();
  EXPECT_EQ(outcome, Outcome::kWaitOut);
  for (int turn = 0; outcome != Outcome::kEnd; ++turn) {
    ASSERT_LT(turn, 1'000'000);
    ASSERT_NE(outcome, Outcome::kBroken);
    got += read_some(reader_.get(), 5'000);
    outcome = run();
  }
  got += read_some(reader_.get());
  EXPECT_TRUE(got == sent);
  EXPECT_EQ(pump_.bytes(), sent.size());
}

TEST_F(PooledPumpTest, AGoneReaderBreaksThePump) {
  write("x");
  reader_.reset();
  EXPECT_EQ(run(), Outcome::kBroken);
}

TEST_F(PooledPumpTest, AReaderThatLeavesWhileBytesWaitBreaksThePump) {
  fill();
  reader_.reset();
  EXPECT_EQ(run(), Outcome::kBroken);
}

TEST_F(PooledPumpTest, AWriterThatWasResetHasEnded) {
  // The kernel reports ECONNRESET when an end closes with unread bytes.
  ASSERT_EQ(::write(from_.get(), "unread", 6), 6);
  writer_.reset();
  EXPECT_EQ(run(), Outcome::kEnd);
}

// ---- the pool ----

TEST_F(PooledPumpTest, AnEmptyPipeIsUsedAgain) {
  write("x");
  ASSERT_EQ(run(), Outcome::kWaitIn);
  auto first = pool_.take();
  ASSERT_TRUE(first.ok());
  const int number = first->fds.first.get();
  EXPECT_EQ(bytes_in(first->fds), 0U);
  pool_.give_back(std::move(*first));
  auto second = pool_.take();
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->fds.first.get(), number);
}

TEST_F(PooledPumpTest, APipeWithBytesIsNeverPooled) {
  fill();  // the pump holds a pipe with bytes in it
  pump_.clear();
  for (int i = 0; i < 4; ++i) {
    auto pipe = pool_.take();
    ASSERT_TRUE(pipe.ok());
    EXPECT_EQ(bytes_in(pipe->fds), 0U);
  }
}

TEST_F(PooledPumpTest, BytesOfABrokenPumpReachNoOther) {
  fill();
  reader_.reset();
  ASSERT_EQ(run(), Outcome::kBroken);
  pump_.clear();
  auto in = make_socketpair(SOCK_STREAM);
  auto out = make_socketpair(SOCK_STREAM);
  ASSERT_TRUE(in.ok() && out.ok());
  PooledPump other(pool_);
  ASSERT_EQ(::write(in->first.get(), "mine", 4), 4);
  EXPECT_EQ(other.run(in->second.get(), out->first.get()), Outcome::kWaitIn);
  EXPECT_EQ(read_some(out->second.get()), "mine");
}

TEST_F(PooledPumpTest, ADestroyedPumpLeavesNoBytesBehind) {
  {
    PooledPump other(pool_);
    write("waits");
    // The writer is full, so the bytes stay in the pipe.
    const int small = 1;
    ASSERT_EQ(::setsockopt(to_.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    while (::write(to_.get(), "x", 1) == 1) {
    }
    ASSERT_EQ(other.run(from_.get(), to_.get()), Outcome::kWaitOut);
  }
  auto pipe = pool_.take();
  ASSERT_TRUE(pipe.ok());
  EXPECT_EQ(bytes_in(pipe->fds), 0U);
}

size_t room_of(const Pipe& pipe) {
  const int size = ::fcntl(pipe.fds.first.get(), F_GETPIPE_SZ);
  return size < 0 ? 0 : static_cast<size_t>(size);
}

TEST_F(PooledPumpTest, APipeGrowsForManyBytes) {
  write(test::pattern(limits::kBulkSplice - 1));
  ASSERT_EQ(run(), Outcome::kWaitIn);
  auto pipe = pool_.take();
  ASSERT_TRUE(pipe.ok());
  EXPECT_EQ(room_of(*pipe), limits::kPipe);
  pool_.give_back(std::move(*pipe));

  write(test::pattern(limits::kBulkSplice));
  ASSERT_EQ(run(), Outcome::kWaitIn);
  pipe = pool_.take();
  ASSERT_TRUE(pipe.ok());
  EXPECT_EQ(room_of(*pipe), limits::kBulkPipe);
  EXPECT_EQ(pipe->size, limits::kBulkPipe);
  pool_.give_back(std::move(*pipe));
}

TEST(PipePoolTest, AClearedPoolMakesNewPipes) {
  PipePool pool;
  auto pipe = pool.take();
  ASSERT_TRUE(pipe.ok());
  pool.grow(*pipe);
  pool.give_back(std::move(*pipe));
  pool.clear();
  pipe = pool.take();
  ASSERT_TRUE(pipe.ok());
  EXPECT_EQ(room_of(*pipe), limits::kPipe);
  EXPECT_EQ(pipe->size, limits::kPipe);
}

TEST(PipePoolTest, KeepsNoMoreThanItsLimit) {
  PipePool pool;
  std::vector<Pipe> taken;
  std::set<int> numbers;
  for (size_t i = 0; i < limits::kMaxIdlePipes + 5; ++i) {
    auto pipe = pool.take();
    ASSERT_TRUE(pipe.ok());
    numbers.insert(pipe->fds.first.get());
    taken.push_back(std::move(*pipe));
  }
  EXPECT_EQ(numbers.size(), limits::kMaxIdlePipes + 5);
  for (Pipe& pipe : taken)
    pool.give_back(std::move(pipe));
  size_t open = 0;
  for (const int number : numbers) {
    int size = 0;
    if (::ioctl(number, FIONREAD, &size) == 0) ++open;
  }
  EXPECT_EQ(open, limits::kMaxIdlePipes);
}

}  // namespace
}  // namespace pooled
}  // namespace localproxy::bridge
