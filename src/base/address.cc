#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>

#include "base/log.h"

namespace localproxy {
namespace {

sockaddr_in& v4(sockaddr_storage& storage) {
  return reinterpret_cast<sockaddr_in&>(storage);
}
const sockaddr_in& v4(const sockaddr_storage& storage) {
  return reinterpret_cast<const sockaddr_in&>(storage);
}
sockaddr_in6& v6(sockaddr_storage& storage) {
  return reinterpret_cast<sockaddr_in6&>(storage);
}
const sockaddr_in6& v6(const sockaddr_storage& storage) {
  return reinterpret_cast<const sockaddr_in6&>(storage);
}

}  // namespace

void Address::set_port(uint16_t port) {
  if (family() == AF_INET) v4(storage).sin_port = htons(port);
  if (family() == AF_INET6) v6(storage).sin6_port = htons(port);
}

uint16_t Address::port() const {
  if (family() == AF_INET) return ntohs(v4(storage).sin_port);
  if (family() == AF_INET6) return ntohs(v6(storage).sin6_port);
  return 0;
}

std::optional<Address> parse_address(std::string_view text, uint16_t port) {
  const std::string copy(text);
  uint8_t bytes[sizeof(in6_addr)];
  if (::inet_pton(AF_INET, copy.c_str(), bytes) == 1) {
    return address_from_bytes({reinterpret_cast<const char*>(bytes), sizeof(in_addr)}, port);
  }
  if (::inet_pton(AF_INET6, copy.c_str(), bytes) == 1) {
    return address_from_bytes({reinterpret_cast<const char*>(bytes), sizeof(in6_addr)}, port);
  }
  return std::nullopt;
}

std::optional<Address> address_from_bytes(std::string_view bytes, uint16_t port) {
  Address address;
  if (bytes.size() == sizeof(in_addr)) {
    address.storage.ss_family = AF_INET;
    memcpy(&v4(address.storage).sin_addr, bytes.data(), bytes.size());
    address.size = sizeof(sockaddr_in);
  } else if (bytes.size() == sizeof(in6_addr)) {
    address.storage.ss_family = AF_INET6;
    memcpy(&v6(address.storage).sin6_addr, bytes.data(), bytes.size());
    address.size = sizeof(sockaddr_in6);
  } else {
    return std::nullopt;
  }
  address.set_port(port);
  return address;
}

Address unix_address(std::string_view path) {
  Address address;
  auto& un = reinterpret_cast<sockaddr_un&>(address.storage);
  check(path.size() < sizeof un.sun_path, "the path of a UNIX socket is too long");
  un.sun_family = AF_UNIX;
  memcpy(un.sun_path, path.data(), path.size());
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
  return address;
}

std::string host_of(const Address& address) {
  char text[INET6_ADDRSTRLEN] = "?";
  if (address.family() == AF_INET) ::inet_ntop(AF_INET, &v4(address.storage).sin_addr, text, sizeof text);
  if (address.family() == AF_INET6) ::inet_ntop(AF_INET6, &v6(address.storage).sin6_addr, text, sizeof text);
  return text;
}

std::string to_string(const Address& address) {
  switch (address.family()) {
    case AF_INET:
      return host_of(address) + ":" + std::to_string(address.port());
    case AF_INET6:
      return "[" + host_of(address) + "]:" + std::to_string(address.port());
    case AF_UNIX:
      break;
    default:
      return "?";
  }
  const auto& un = reinterpret_cast<const sockaddr_un&>(address.storage);
  const size_t head = offsetof(sockaddr_un, sun_path);
  const size_t length = address.size > head ? ::strnlen(un.sun_path, address.size - head) : 0;
  return length == 0 ? "a local client" : std::string(un.sun_path, length);
}

std::string to_string(const sockaddr& address, socklen_t size) {
  Address copy;
  copy.size = std::min<socklen_t>(size, sizeof copy.storage);
  memcpy(&copy.storage, &address, copy.size);
  return to_string(copy);
}

std::string authority_of(const std::string& host, uint16_t port) {
  const bool ipv6 = host.find(':') != std::string::npos;
  return (ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace localproxy
