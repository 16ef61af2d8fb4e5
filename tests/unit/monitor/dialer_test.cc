#include "monitor/dialer.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <vector>

#include "base/limits.h"
#include "tests/unit/bridge/tcp_pair.h"
#include "tests/unit/ipc/run_loop.h"

namespace localproxy::monitor {
namespace {

using localproxy::test::at;
using localproxy::test::listen_on;
using localproxy::test::run_ready;
using localproxy::test::run_until;
using testing::HasSubstr;

// An address without a listener: bound, so that no other program can listen there.
struct Refusing {
  Refusing() : socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), address(at("127.0.0.1")) {
    EXPECT_EQ(::bind(socket.get(), address.get(), address.size), 0);
    EXPECT_EQ(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address.storage), &address.size), 0);
  }
  UniqueFd socket;
  Address address;
};

struct Listening {
  explicit Listening(int backlog = 16) : address(at("127.0.0.1")), socket(listen_on(address, backlog)) {}
  Address address;
  UniqueFd socket;
};

// An address that never answers: its accept queue is full.
struct BlackHole : Listening {
  BlackHole() : Listening(0) {
    for (int i = 0; i < 8; ++i) {
      clients.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      [[maybe_unused]] const int begun = ::connect(clients.back().get(), address.get(), address.size);
    }
  }
  // Whether one of the clients is still waiting.
  bool works() const {
    pollfd last{clients.back().get(), POLLOUT, 0};
    return ::poll(&last, 1, 0) == 0;
  }
  std::vector<UniqueFd> clients;
};

class DialerTest : public testing::Test {
 protected:
  void dial(std::vector<Address> addresses, std::vector<Address> from = {}) {
    dialer_ =
        std::make_unique<Dialer>(loop_, std::move(addresses), std::move(from), [this](Result<Connected> c) {
          ++calls_;
          result_ = std::make_unique<Result<Connected>>(std::move(c));
        });
    EXPECT_EQ(calls_, 0) << "calls back from the loop";
  }
  // Dials, and waits for the result.
  Result<Connected>& dialled(std::vector<Address> addresses, std::vector<Address> from = {}) {
    dial(std::move(addresses), std::move(from));
    EXPECT_TRUE(run_until(loop_, [this] { return calls_ > 0; }));
    run_ready(loop_);
    EXPECT_EQ(calls_, 1);
    return *result_;
  }

  event::Loop loop_;
  std::unique_ptr<Dialer> dialer_;
  std::unique_ptr<Result<Connected>> result_;
  int calls_ = 0;
};

TEST_F(DialerTest, ConnectsToAListener) {
  const Listening good;
  auto& result = dialled({good.address});
  ASSERT_TRUE(result.ok()) << result.error().text();
  EXPECT_EQ(to_string(result->address), to_string(good.address));
  const int fd = result->socket.get();
  EXPECT_NE(::fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  int on = 0;
  socklen_t size = sizeof on;
  ASSERT_EQ(::getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
  EXPECT_NE(on, 0);
  const UniqueFd accepted(::accept(good.socket.get(), nullptr, nullptr));
  ASSERT_EQ(::write(accepted.get(), "x", 1), 1);
  pollfd wait{fd, POLLIN, 0};
  EXPECT_EQ(::poll(&wait, 1, 10'000), 1);
}

TEST_F(DialerTest, ARefusalIsFollowedByTheNextAddress) {
  const Refusing bad, worse;
  const Listening good;
  auto& result = dialled({bad.address, worse.address, good.address});
  ASSERT_TRUE(result.ok()) << result.error().text();
  EXPECT_EQ(to_string(result->address), to_string(good.address));
}

TEST_F(DialerTest, AnAddressThatDoesNotAnswerCostsLittle) {
  const BlackHole hole;
  if (!hole.works()) GTEST_SKIP() << "this kernel answers although the queue is full";
  const Listening good;
  const auto before = std::chrono::steady_clock::now();
  auto& result = dialled({hole.address, good.address});
  ASSERT_TRUE(result.ok()) << result.error().text();
  EXPECT_EQ(to_string(result->address), to_string(good.address));
  // Far below the 15 seconds of one connect, however busy this machine is.
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(5));
}

TEST_F(DialerTest, AfterAnAddressThatDoesNotAnswerARefusalIsNotTheEnd) {
  const BlackHole hole;
  if (!hole.works()) GTEST_SKIP() << "this kernel answers although the queue is full";
  const Refusing bad;
  const Listening good;
  auto& result = dialled({hole.address, bad.address, good.address});
  ASSERT_TRUE(result.ok()) << result.error().text();
  EXPECT_EQ(to_string(result->address), to_string(good.address));
}

TEST_F(DialerTest, AnErrorNamesEveryAddress) {
  const Refusing bad, worse;
  auto& result = dialled({bad.address, worse.address});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().text(), to_string(bad.address) + ": connect: Connection refused; " +
                                       to_string(worse.address) + ": connect: Connection refused");
}

TEST_F(DialerTest, ConnectsFromTheAddressThatIsGiven) {
  const Listening good;
  auto& result = dialled({good.address}, {at("::1"), at("127.0.0.2")});
  ASSERT_TRUE(result.ok()) << result.error().text();
  Address peer;
  peer.size = sizeof peer.storage;
  const UniqueFd accepted(
      ::accept(good.socket.get(), reinterpret_cast<sockaddr*>(&peer.storage), &peer.size));
  ASSERT_TRUE(accepted.valid());
  EXPECT_EQ(host_of(peer), "127.0.0.2");
}

TEST_F(DialerTest, WithoutALocalAddressOfTheFamilyItIsNotTried) {
  const Listening good;
  auto& result = dialled({good.address}, {at("::1")});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().text(),
            to_string(good.address) + ": cannot connect from ::1, which is of the other family");
}

TEST_F(DialerTest, ALocalAddressThatIsNotOursIsNamed) {
  const Listening good;
  auto& result = dialled({good.address}, {at("203.0.113.1")});
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().text(),
              HasSubstr("cannot connect from 203.0.113.1: Cannot assign requested address"));
}

TEST_F(DialerTest, ConnectsToAUnixSocket) {
  char directory[] = "/tmp/localproxy-dialer-XXXXXX";
  ASSERT_NE(::mkdtemp(directory), nullptr);
  const std::string path = std::string(directory) + "/socket";
  const Address address = unix_address(path);
  const UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(listener.get(), address.get(), address.size), 0);
  ASSERT_EQ(::listen(listener.get(), 1), 0);
  // An address to connect from applies to TCP only.
  auto& result = dialled({address}, {at("127.0.0.2")});
  EXPECT_TRUE(result.ok());
  ::unlink(path.c_str());
  ::rmdir(directory);
}

TEST_F(DialerTest, AUnixSocketThatIsNotThereIsNamed) {
  auto& result = dialled({unix_address("/nowhere/at/all")});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().text(), "/nowhere/at/all: connect: No such file or directory");
}

TEST_F(DialerTest, SaysNothingAfterItIsDestroyed) {
  const Listening good;
  const Refusing bad;
  for (const Address& address : {good.address, bad.address}) {
    dial({address});
    dialer_.reset();
    run_ready(loop_);
    EXPECT_EQ(calls_, 0);
  }
}

}  // namespace
}  // namespace localproxy::monitor
