// The other end of a channel, in the hands of a peer that breaks every rule.
#pragma once

#include <dirent.h>
#include <gtest/gtest.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "ipc/channel.h"

namespace localproxy::ipc::test {

// Descriptors that this process has open.
inline size_t open_descriptors() {
  DIR* directory = ::opendir("/proc/self/fd");
  size_t count = 0;
  while (::readdir(directory) != nullptr)
    ++count;
  ::closedir(directory);
  return count;
}

// Sends one datagram with copies of fds.
inline void send_raw(int socket, std::string bytes, const std::vector<int>& fds = {}) {
  iovec part{bytes.data(), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(16 * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    ASSERT_NE(header, nullptr);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
  }
  ASSERT_EQ(::sendmsg(socket, &message, MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
}

// A datagram with that message number and `size` bytes of fields, all zero.
inline std::string datagram(size_t number, size_t length) {
  std::string bytes;
  put(bytes, static_cast<uint16_t>(number));
  return bytes + std::string(length, '\0');
}

// A channel and the raw other end of it.
struct RawPeer {
  RawPeer(Role self, Role peer) : RawPeer(make_socketpair(SOCK_SEQPACKET), self, peer) {}
  Channel channel;
  UniqueFd raw;

 private:
  RawPeer(Result<FdPair> pair, Role self, Role peer)
      : channel(std::move(pair->first), self, peer), raw(std::move(pair->second)) {}
};

}  // namespace localproxy::ipc::test
