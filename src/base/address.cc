#include "base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>

#include "base/log.h"
#include "base/text.h"

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

// Bytes of "::ffff:0:0/96" in front of an IPv4 address (RFC 4291, 2.5.5.2).
constexpr size_t kMappedPrefix = 12;

// An IPv4 client of a socket that listens on both families.
bool is_mapped(const Address& address) {
  return address.family() == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6(address.storage).sin6_addr);
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

std::string address_bytes(std::string_view text) {
  const std::string copy(text);
  if (copy.find('\0') != std::string::npos) return {};
  char bytes[sizeof(in6_addr)];
  if (::inet_pton(AF_INET, copy.c_str(), bytes) == 1) return {bytes, sizeof(in_addr)};
  if (::inet_pton(AF_INET6, copy.c_str(), bytes) == 1) return {bytes, sizeof(in6_addr)};
  return {};
}

std::optional<Address> parse_address(std::string_view text, uint16_t port) {
  const size_t percent = text.find('%');
  auto address = address_from_bytes(address_bytes(text.substr(0, percent)), port);
  if (!address || percent == std::string_view::npos) return address;
  if (address->family() != AF_INET6) return std::nullopt;
  const auto zone = parse_number<uint32_t>(text.substr(percent + 1));
  if (!zone || *zone == 0) return std::nullopt;
  v6(address->storage).sin6_scope_id = *zone;
  return address;
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

bool is_any(const Address& address) {
  if (address.family() == AF_INET) return v4(address.storage).sin_addr.s_addr == htonl(INADDR_ANY);
  return address.family() == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(&v6(address.storage).sin6_addr);
}

std::string host_of(const Address& address) {
  char text[INET6_ADDRSTRLEN] = "?";
  if (address.family() == AF_INET) ::inet_ntop(AF_INET, &v4(address.storage).sin_addr, text, sizeof text);
  if (address.family() != AF_INET6) return text;
  const sockaddr_in6& ipv6 = v6(address.storage);
  if (is_mapped(address)) {
    ::inet_ntop(AF_INET, &ipv6.sin6_addr.s6_addr[kMappedPrefix], text, sizeof text);
    return text;
  }
  ::inet_ntop(AF_INET6, &ipv6.sin6_addr, text, sizeof text);
  const std::string host = text;
  return ipv6.sin6_scope_id == 0 ? host : host + "%" + std::to_string(ipv6.sin6_scope_id);
}

std::string to_string(const Address& address) {
  switch (address.family()) {
    case AF_INET:
      return host_of(address) + ":" + std::to_string(address.port());
    case AF_INET6:
      return authority_of(host_of(address), address.port());
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
