// Socket addresses: as values, and as people write them.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace localproxy {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
  // REQUIRES: an IPv4 or IPv6 address.
  void set_port(uint16_t port);
  uint16_t port() const;
};

// The 4 or 16 bytes, in network order, of an IPv4 or IPv6 address in its usual notation, without an
// interface. Empty if text is not an address.
std::string address_bytes(std::string_view text);
inline bool is_address(std::string_view text) {
  return !address_bytes(text).empty();
}

// An IPv4 or IPv6 address in its usual notation, without brackets or a port, the interface of a link-local
// one by its number ("fe80::1%2"); empty if text is not one.
std::optional<Address> parse_address(std::string_view text, uint16_t port);
// A UNIX socket. REQUIRES: a path of at most 107 bytes without a zero byte.
Address unix_address(std::string_view path);
// From 4 or 16 bytes in network order; empty for any other size.
std::optional<Address> address_from_bytes(std::string_view bytes, uint16_t port);

// "127.0.0.1:5555", "[::1]:5555", or the path of a UNIX socket ("a local client" when it has none).
std::string to_string(const sockaddr& address, socklen_t size);
std::string to_string(const Address& address);
// Whether it stands for all addresses of its family, 0.0.0.0 or "::".
bool is_any(const Address& address);
// "127.0.0.1", "::1", "fe80::1%2", without the port. An IPv4 address inside an IPv6 one is shown as it is.
std::string host_of(const Address& address);
// "example.com:443" or "[::1]:443", from a host without brackets.
std::string authority_of(const std::string& host, uint16_t port);

}  // namespace localproxy
