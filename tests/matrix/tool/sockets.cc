#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "base/text.h"
#include "tool.h"

namespace localproxy::matrix {
namespace {

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

Result<UniqueFd> connect_socket(int family, const sockaddr* address, socklen_t size,
                                const std::string& name) {
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return system_error("socket", errno);
  const timeval limit{.tv_sec = kPatience.count(), .tv_usec = 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (::connect(fd.get(), address, size) != 0) return system_error("connect to " + name, errno);
  return fd;
}

}  // namespace

Result<UniqueFd> connect_to(const std::string& text) {
  if (text.find('/') == std::string::npos) {
    const auto port = parse_number<uint16_t>(text);
    if (!port) return Error("not a port: " + text);
    const sockaddr_in address = loopback(*port);
    return connect_socket(AF_INET, reinterpret_cast<const sockaddr*>(&address), sizeof address, text);
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (text.size() >= sizeof address.sun_path) return Error("too long for a socket: " + text);
  ::memcpy(address.sun_path, text.data(), text.size());
  return connect_socket(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof address, text);
}

Result<UniqueFd> listen_on_loopback(uint16_t& port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (!fd || ::bind(fd.get(), generic, size) != 0 || ::listen(fd.get(), SOMAXCONN) != 0 ||
      ::getsockname(fd.get(), generic, &size) != 0)
    return system_error("a listener on 127.0.0.1", errno);
  port = ntohs(address.sin_port);
  return fd;
}

int fail(const std::string& reason) {
  printf("%s\n", reason.c_str());
  return 1;
}

}  // namespace localproxy::matrix
