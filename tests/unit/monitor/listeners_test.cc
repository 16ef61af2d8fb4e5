#include "monitor/listeners.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "monitor/resolver.h"
#include "tests/unit/bridge/tcp_pair.h"

namespace localproxy::monitor {
namespace {

using localproxy::test::at;
using localproxy::test::listen_on;
using testing::HasSubstr;

bool has_ipv6() {
  const UniqueFd socket(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const Address address = at("::1");
  return socket.valid() && ::bind(socket.get(), address.get(), address.size) == 0;
}

// Documentation addresses (RFC 5737), which no machine should have.
constexpr char kNowhere[] = "203.0.113.1";

int connect_error(const Address& address) {
  const UniqueFd socket(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::connect(socket.get(), address.get(), address.size) == 0 ? 0 : errno;
}

TEST(ListenersTest, PortZeroIsAFreePort) {
  const auto bound = bind_listener({at("127.0.0.1")});
  ASSERT_TRUE(bound.ok()) << bound.error().text();
  ASSERT_EQ(bound->sockets.size(), 1U);
  EXPECT_NE(bound->port, 0);
  EXPECT_EQ(to_string(bound->addresses.at(0)), "127.0.0.1:" + std::to_string(bound->port));
  Address name;
  name.size = sizeof name.storage;
  ASSERT_EQ(::getsockname(bound->sockets[0].get(), reinterpret_cast<sockaddr*>(&name.storage), &name.size),
            0);
  EXPECT_EQ(name.port(), bound->port);
}

TEST(ListenersTest, ClientsAreRefusedUntilItListens) {
  const auto bound = bind_listener({at("127.0.0.1")});
  ASSERT_TRUE(bound.ok());
  EXPECT_EQ(connect_error(bound->addresses[0]), ECONNREFUSED);
  ASSERT_TRUE(start_listening(*bound).ok());
  EXPECT_EQ(connect_error(bound->addresses[0]), 0);
}

TEST(ListenersTest, LocalhostHasTheSamePortInBothFamilies) {
  if (!has_ipv6()) GTEST_SKIP() << "no IPv6 here";
  const auto bound = bind_listener(known_addresses("localhost", 0));
  ASSERT_TRUE(bound.ok()) << bound.error().text();
  ASSERT_EQ(bound->sockets.size(), 2U);
  EXPECT_EQ(bound->addresses[0].port(), bound->port);
  EXPECT_EQ(bound->addresses[1].port(), bound->port);
  ASSERT_TRUE(start_listening(*bound).ok());
  EXPECT_EQ(connect_error(at("127.0.0.1", bound->port)), 0);
  EXPECT_EQ(connect_error(at("::1", bound->port)), 0);
}

TEST(ListenersTest, ABusyPortIsNamedWithAWayOut) {
  Address address = at("127.0.0.1");
  const UniqueFd other = listen_on(address);
  const auto bound = bind_listener({address});
  ASSERT_FALSE(bound.ok());
  EXPECT_EQ(bound.error().text(), "cannot listen on " + to_string(address) +
                                      ": bind: Address already in use (another program listens there; choose "
                                      "another port, or stop it)");
}

TEST(ListenersTest, APortThatIsBusyInTheSecondFamilyIsBusy) {
  if (!has_ipv6()) GTEST_SKIP() << "no IPv6 here";
  Address address = at("::1");
  const UniqueFd other = listen_on(address);
  const auto bound = bind_listener(known_addresses("localhost", address.port()));
  ASSERT_FALSE(bound.ok());
  EXPECT_THAT(bound.error().text(), HasSubstr("cannot listen on [::1]:" + std::to_string(address.port())));
}

TEST(ListenersTest, AnAddressThatIsNotOursIsNamed) {
  const auto bound = bind_listener({at(kNowhere, 5'555)});
  ASSERT_FALSE(bound.ok());
  EXPECT_THAT(bound.error().text(), HasSubstr("cannot listen on 203.0.113.1:5555"));
  EXPECT_THAT(bound.error().text(), HasSubstr("this machine does not have that address"));
}

TEST(ListenersTest, OfSeveralAddressesTheAbsentAreLeftOut) {
  for (const bool first : {true, false}) {
    const auto bound = bind_listener(first ? std::vector{at(kNowhere), at("127.0.0.1")}
                                           : std::vector{at("127.0.0.1"), at(kNowhere)});
    ASSERT_TRUE(bound.ok()) << bound.error().text();
    ASSERT_EQ(bound->sockets.size(), 1U);
    EXPECT_EQ(host_of(bound->addresses.at(0)), "127.0.0.1");
    EXPECT_NE(bound->port, 0);
  }
}

TEST(ListenersTest, FailsWhenAllAddressesAreAbsent) {
  const auto bound = bind_listener({at(kNowhere), at("198.51.100.1")});
  ASSERT_FALSE(bound.ok());
  EXPECT_THAT(bound.error().text(), HasSubstr("203.0.113.1"));
}

TEST(ListenersTest, AnotherProgramMayListenFirst) {
  // Two programs that share a port (SO_REUSEADDR) may both bind it; only one can listen.
  const auto bound = bind_listener({at("127.0.0.1")});
  ASSERT_TRUE(bound.ok());
  auto second = bind_listener({bound->addresses[0]});
  ASSERT_TRUE(second.ok());
  ASSERT_TRUE(start_listening(*second).ok());
  const auto started = start_listening(*bound);
  ASSERT_FALSE(started.ok());
  EXPECT_THAT(started.error().text(), HasSubstr("cannot listen on " + to_string(bound->addresses[0])));
}

}  // namespace
}  // namespace localproxy::monitor
