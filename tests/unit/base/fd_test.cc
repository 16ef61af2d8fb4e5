#include "base/fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <utility>

namespace localproxy {
namespace {

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}

UniqueFd open_null() {
  return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
}

TEST(UniqueFdTest, IsEmptyFromTheStart) {
  const UniqueFd fd;
  EXPECT_FALSE(fd.valid());
  EXPECT_FALSE(fd);
  EXPECT_EQ(fd.get(), -1);
}

TEST(UniqueFdTest, ClosesAtTheEndOfItsLife) {
  int number = -1;
  {
    const UniqueFd fd = open_null();
    ASSERT_TRUE(fd);
    number = fd.get();
    EXPECT_TRUE(is_open(number));
  }
  EXPECT_FALSE(is_open(number));
}

TEST(UniqueFdTest, MovingLeavesNothingBehind) {
  UniqueFd first = open_null();
  const int number = first.get();
  UniqueFd second = std::move(first);
  EXPECT_FALSE(first.valid());  // NOLINT: that it is empty is the point
  EXPECT_EQ(second.get(), number);
  EXPECT_TRUE(is_open(number));
}

TEST(UniqueFdTest, AssigningClosesWhatWasHeld) {
  UniqueFd first = open_null();
  UniqueFd second = open_null();
  const int closed = first.get();
  const int kept = second.get();
  first = std::move(second);
  EXPECT_FALSE(is_open(closed));
  EXPECT_TRUE(is_open(kept));
  EXPECT_EQ(first.get(), kept);
}

TEST(UniqueFdTest, AssigningToItselfKeepsIt) {
  UniqueFd fd = open_null();
  UniqueFd& same = fd;
  const int number = fd.get();
  fd = std::move(same);
  EXPECT_EQ(fd.get(), number);
  EXPECT_TRUE(is_open(number));
}

TEST(UniqueFdTest, ReleaseGivesItAwayOpen) {
  UniqueFd fd = open_null();
  const int number = fd.release();
  EXPECT_FALSE(fd);
  fd.reset();
  EXPECT_TRUE(is_open(number));
  ::close(number);
}

TEST(UniqueFdTest, ResetClosesAndTakes) {
  UniqueFd fd = open_null();
  const int closed = fd.get();
  const int taken = open_null().release();
  fd.reset(taken);
  EXPECT_FALSE(is_open(closed));
  EXPECT_EQ(fd.get(), taken);
  fd.reset();
  EXPECT_FALSE(is_open(taken));
  EXPECT_FALSE(fd);
}

void expect_nonblocking_and_cloexec(int fd) {
  EXPECT_NE(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
}

class SocketpairTest : public testing::TestWithParam<int> {};

TEST_P(SocketpairTest, IsConnectedNonBlockingAndCloseOnExec) {
  Result<FdPair> pair = make_socketpair(GetParam());
  ASSERT_TRUE(pair.ok());
  int type = 0;
  socklen_t size = sizeof type;
  ASSERT_EQ(::getsockopt(pair->first.get(), SOL_SOCKET, SO_TYPE, &type, &size), 0);
  EXPECT_EQ(type, GetParam());
  expect_nonblocking_and_cloexec(pair->first.get());
  expect_nonblocking_and_cloexec(pair->second.get());
  char byte = 0;
  ASSERT_EQ(::write(pair->first.get(), "x", 1), 1);
  ASSERT_EQ(::read(pair->second.get(), &byte, 1), 1);
  EXPECT_EQ(byte, 'x');
}

INSTANTIATE_TEST_SUITE_P(Types, SocketpairTest, testing::Values(SOCK_STREAM, SOCK_SEQPACKET));

TEST(MakeSocketpairTest, SaysWhyItFailed) {
  const Result<FdPair> pair = make_socketpair(SOCK_RDM);
  ASSERT_FALSE(pair.ok());
  EXPECT_EQ(pair.error().text(), "socketpair: Socket type not supported");
}

TEST(MakePipeTest, FirstReadsAndSecondWrites) {
  Result<FdPair> pipe = make_pipe();
  ASSERT_TRUE(pipe.ok());
  expect_nonblocking_and_cloexec(pipe->first.get());
  expect_nonblocking_and_cloexec(pipe->second.get());
  char byte = 0;
  ASSERT_EQ(::write(pipe->second.get(), "x", 1), 1);
  ASSERT_EQ(::read(pipe->first.get(), &byte, 1), 1);
  EXPECT_EQ(byte, 'x');
}

TEST(ResizePipeTest, TellsWhetherTheKernelDoesIt) {
  Result<FdPair> pipe = make_pipe();
  ASSERT_TRUE(pipe.ok());
  for (const int end : {pipe->first.get(), pipe->second.get()}) {
    EXPECT_TRUE(resize_pipe(end, 256 * 1024));
    EXPECT_EQ(::fcntl(pipe->first.get(), F_GETPIPE_SZ), 256 * 1024);
  }
  const std::string bytes(200'000, 'x');
  ASSERT_EQ(::write(pipe->second.get(), bytes.data(), bytes.size()), 200'000);
  EXPECT_FALSE(resize_pipe(pipe->second.get(), 64 * 1024)) << "it holds more";
  EXPECT_FALSE(resize_pipe(-1, 64 * 1024));
}

}  // namespace
}  // namespace localproxy
