// A TCP connection over loopback, both ends of it.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "base/address.h"
#include "base/fd.h"

namespace localproxy::test {

inline int non_blocking(int fd) {
  return ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
}

// REQUIRES: host is a literal address.
inline Address at(const char* host, uint16_t port = 0) {
  return *parse_address(host, port);
}

// A listening socket on a free port of address.
inline UniqueFd listen_on(Address& address, int backlog = 16) {
  UniqueFd listener(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::bind(listener.get(), address.get(), address.size), 0) << errno;
  EXPECT_EQ(::listen(listener.get(), backlog), 0);
  EXPECT_EQ(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address.storage), &address.size), 0);
  return listener;
}

// first: the client, second: what was accepted. Both non-blocking.
inline FdPair tcp_pair() {
  Address address = *parse_address("127.0.0.1", 0);
  const UniqueFd listener = listen_on(address);
  FdPair pair;
  pair.first = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(pair.first.get(), address.get(), address.size), 0);
  pair.second = UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  EXPECT_TRUE(pair.second.valid());
  EXPECT_EQ(non_blocking(pair.first.get()), 0);
  return pair;
}

}  // namespace localproxy::test
