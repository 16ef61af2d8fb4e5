#include "config/endpoint.h"

#include <net/if.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "base/address.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"

namespace localproxy::config {
namespace {

constexpr std::string_view kHostBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
constexpr std::string_view kBase64Bytes =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/-_";
constexpr size_t kMaxHostName = 253;  // RFC 1035, 2.3.4, without the root's dot
constexpr size_t kMaxUnixPath = sizeof(sockaddr_un::sun_path) - 1;
constexpr size_t kMaxLabel = 63;  // RFC 1035, 2.3.4
constexpr size_t kMaxShown = 80;  // of a rejected text, in an error
// Base64 of this many characters or more may be a token; those of the service have several hundred.
constexpr size_t kMinTokenLike = 24;

bool token_like_piece(std::string_view piece) {
  const auto has = [&](char first, char last) {
    return std::ranges::any_of(piece, [=](char byte) { return byte >= first && byte <= last; });
  };
  return piece.size() >= kMinTokenLike && has('a', 'z') && has('A', 'Z') && has('0', '9');
}

// Whether text contains what could be a token in the wrong place: base64, of either alphabet, with upper-case
// and lower-case letters and digits. Base64 has few slashes, so one of the pieces between them is long. An
// absolute path does not count.
bool token_like(std::string_view text) {
  while (true) {
    const size_t start = text.find_first_of(kBase64Bytes);
    if (start == std::string_view::npos) return false;
    text.remove_prefix(start);
    std::string_view run = text.substr(0, text.find_first_not_of(kBase64Bytes));
    text.remove_prefix(run.size());
    if (run[0] == '/') continue;
    while (!run.empty()) {
      const std::string_view piece = run.substr(0, run.find('/'));
      if (token_like_piece(piece)) return true;
      run.remove_prefix(std::min(piece.size() + 1, run.size()));
    }
  }
}

// An IPv6 address, checked, with its interface, if any, as a number: inside the sandbox no process can look
// up the name of an interface.
Result<std::string> number_interface(std::string_view text) {
  const size_t percent = text.find('%');
  const std::string address(text.substr(0, percent));
  if (address_bytes(address).size() != sizeof(in6_addr))
    return Error(shown(text) + " is not an IPv6 address");
  if (percent == std::string_view::npos) return address;
  const std::string interface(text.substr(percent + 1));
  if (interface.find('\0') != std::string::npos) return Error(shown(text) + " is not an IPv6 address");
  const unsigned number = parse_number<unsigned>(interface).value_or(::if_nametoindex(interface.c_str()));
  if (number == 0) return Error("this machine has no network interface " + shown(interface));
  return address + "%" + std::to_string(number);
}

struct HostPort {
  std::string host;
  std::optional<std::string_view> port;
};

// HOST, HOST:PORT, [IPV6] or [IPV6]:PORT, taken apart; the port is not checked. [IPV6%INTERFACE] too.
Result<HostPort> split_host_port(std::string_view text) {
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return Error(shown(text) + " lacks the closing bracket");
    const std::string_view host = text.substr(1, end - 1);
    const std::string_view rest = text.substr(end + 1);
    auto numbered = number_interface(host);
    if (!numbered) return Error(numbered.error().text() + " (in brackets)");
    if (rest.empty()) return HostPort{*numbered, std::nullopt};
    if (rest[0] != ':') return Error(shown(text) + " has something other than ':PORT' after the bracket");
    return HostPort{*numbered, rest.substr(1)};
  }
  const size_t colon = text.find(':');
  if (colon != std::string_view::npos && text.find(':', colon + 1) != std::string_view::npos)
    return Error(shown(text) + " has more than one ':'; IPv6 addresses go in brackets, as in '[::1]:22'");
  const std::string_view host = text.substr(0, colon);
  if (auto good = check_host(host); !good) return good.error();
  if (colon == std::string_view::npos) return HostPort{std::string(host), std::nullopt};
  return HostPort{std::string(host), text.substr(colon + 1)};
}

Result<LocalAddress> parse_path(std::string_view text) {
  if (text.find("://") != std::string_view::npos)
    return Error(shown(text) + " is a URL; give a port, HOST:PORT or the path of a UNIX socket");
  if (text.size() > kMaxUnixPath)
    return Error("the path of a UNIX socket has at most " + std::to_string(kMaxUnixPath) + " bytes, not " +
                 std::to_string(text.size()));
  if (text.find('\0') != std::string_view::npos) return Error("a path has no zero bytes");
  if (token_like(text))
    return Error(shown(text) + " is not an address; if it is a path, begin it with '/' or './'");
  if (text.ends_with('/')) return Error(shown(text) + " is a directory, not the path of a UNIX socket");
  LocalAddress address;
  address.kind = LocalAddress::Kind::kUnix;
  address.path = std::string(text);
  return address;
}

// Whether a source cannot listen on both.
bool collide(const LocalAddress& one, const LocalAddress& other) {
  if (one.kind != other.kind) return false;
  switch (one.kind) {
    case LocalAddress::Kind::kTcp:
      return one.port != 0 && one.port == other.port && one.host == other.host;
    case LocalAddress::Kind::kUnix:
      return one.path == other.path;
    case LocalAddress::Kind::kStdio:
      return true;
  }
  return false;
}

Result<> check_against(const std::vector<ServiceMapping>& earlier, const ServiceMapping& entry,
                       std::string_view address, Mode mode) {
  for (const ServiceMapping& other : earlier) {
    if (other.service == entry.service) return Error("service " + shown(entry.service) + " is there twice");
    if (mode == Mode::kSource && collide(other.address, entry.address))
      return Error(shown(address) + " is used for both " + shown(other.service) + " and " +
                   shown(entry.service));
  }
  return {};
}

// text is one entry; bare: it is the only one, so it may lack a service id.
Result<ServiceMapping> parse_entry(std::string_view text, Mode mode, bool bare) {
  if (text.empty()) return Error("an entry is empty");
  const size_t equals = text.find('=');
  const size_t slash = text.find('/');
  // A path may contain '=', a service id no '/'.
  const bool named = equals != std::string_view::npos && (slash == std::string_view::npos || equals < slash);
  if (!named && !bare) return Error(shown(text) + " is not SERVICE=ADDRESS, which several entries must be");
  ServiceMapping entry;
  if (named) {
    const std::string_view service = trim(text.substr(0, equals));
    if (auto good = check_service_id(service); !good) return good.error();
    entry.service = std::string(service);
    text = trim(text.substr(equals + 1));
    if (text.empty()) return Error("service " + shown(entry.service) + " has no address");
  }
  auto address = parse_local_address(text, mode);
  if (!address) return address.error();
  entry.address = std::move(*address);
  return entry;
}

}  // namespace

std::string shown(std::string_view text) {
  if (token_like(text)) return "what looks like a token (" + std::to_string(text.size()) + " characters)";
  const bool cut = text.size() > kMaxShown;
  return "'" + escape_for_log(text.substr(0, kMaxShown)) + (cut ? "...'" : "'");
}

Result<uint16_t> parse_port(std::string_view text, ZeroPort zero) {
  const bool allowed = zero == ZeroPort::kAllowed;
  uint32_t port = 0;
  const bool digits = !text.empty() && text.size() <= 5 && consists_of(text, kAsciiDigits);
  if (digits) std::from_chars(text.data(), text.data() + text.size(), port);
  const bool plain = digits && (text[0] != '0' || text.size() == 1);
  if (!plain || port > 65'535 || (port == 0 && !allowed))
    return Error(shown(text) + " is not a port number from " + (allowed ? "0" : "1") + " to 65535");
  return static_cast<uint16_t>(port);
}

Result<> check_host(std::string_view text) {
  if (text.empty()) return Error("the host is empty");
  if (is_address(text)) return {};
  if (text.find('.') == std::string_view::npos && token_like(text))
    return Error(shown(text) + " is not a host name or an address");
  if (text.size() > kMaxHostName)
    return Error("a host name has at most " + std::to_string(kMaxHostName) + " bytes, not " +
                 std::to_string(text.size()));
  for (size_t start = 0, end; start < text.size(); start = end + 1) {
    end = std::min(text.find('.', start), text.size());
    if (end - start > kMaxLabel)
      return Error("between the dots of a host name there are at most " + std::to_string(kMaxLabel) +
                   " bytes, not " + std::to_string(end - start));
  }
  const bool labels = !text.starts_with('.') && text.find("..") == std::string_view::npos;
  if (!consists_of(text, kHostBytes) || text[0] == '-' || !labels)
    return Error(shown(text) + " is not a host name or an address");
  // No top-level domain is a number, and resolvers take such names for addresses, each in its own way.
  const std::string_view last = text.substr(text.find_last_of('.') + 1);
  if (!last.empty() && consists_of(last, kAsciiDigits)) return Error(shown(text) + " is not an IPv4 address");
  return {};
}

Result<std::string> parse_host(std::string_view text) {
  if (text.starts_with('[') && text.ends_with(']')) {
    text = text.substr(1, text.size() - 2);
    return number_interface(text);
  }
  if (text.find('%') != std::string_view::npos) return number_interface(text);
  if (auto good = check_host(text); !good) return good.error();
  return std::string(text);
}

Result<> check_service_id(std::string_view text) {
  if (text.empty()) return Error("a service id is empty");
  if (text.size() > limits::kMaxServiceId)
    return Error("a service id has at most " + std::to_string(limits::kMaxServiceId) + " bytes, not " +
                 std::to_string(text.size()));
  if (!is_service_id(text))
    return Error(shown(text) + " is not a service id, which is made of letters, digits, ':', '_' and '-'");
  return {};
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  if (const size_t scheme = text.find("://"); scheme != std::string_view::npos)
    return Error("give the host alone, without " + shown(text.substr(0, scheme + 3)));
  if (text.find('/') != std::string_view::npos) return Error("give the host alone, without a path");
  auto parts = split_host_port(text);
  if (!parts) return parts.error();
  // No certificate is for an interface.
  if (parts->host.find('%') != std::string::npos) return Error("give the address without an interface");
  Endpoint endpoint;
  endpoint.host = std::move(parts->host);
  if (parts->port) {
    auto port = parse_port(*parts->port, ZeroPort::kRefused);
    if (!port) return port.error();
    endpoint.port = *port;
  }
  return endpoint;
}

Result<LocalAddress> parse_local_address(std::string_view text, Mode mode) {
  const bool source = mode == Mode::kSource;
  LocalAddress address;
  if (text == "-" && source) {
    address.kind = LocalAddress::Kind::kStdio;
    return address;
  }
  if (text == "-") return Error("'-' (standard input and output) is for a source only");
  if (text.find('/') != std::string_view::npos) return parse_path(text);

  std::string_view port_text = text;
  if (text.find(':') != std::string_view::npos || text.starts_with('[')) {
    auto parts = split_host_port(text);
    if (!parts) return parts.error();
    if (!parts->port) return Error(shown(text) + " lacks a port");
    address.host = std::move(parts->host);
    port_text = *parts->port;
  } else if (!text.empty() && !consists_of(text.substr(0, 1), kAsciiDigits) && check_host(text).ok()) {
    return Error(shown(text) + " lacks a port");
  }
  auto port = parse_port(port_text, source ? ZeroPort::kAllowed : ZeroPort::kRefused);
  if (!port) return port.error();
  address.port = *port;
  return address;
}

Result<std::vector<ServiceMapping>> parse_map(std::string_view text, Mode mode) {
  const bool bare = text.find(',') == std::string_view::npos;
  std::vector<ServiceMapping> map;
  for (bool last = false; !last;) {
    const size_t comma = text.find(',');
    last = comma == std::string_view::npos;
    const std::string_view piece = trim(text.substr(0, comma));
    if (!last) text.remove_prefix(comma + 1);
    // The reference ignores extra commas.
    if (piece.empty() && !bare) continue;
    auto entry = parse_entry(piece, mode, bare);
    if (!entry) return entry.error();
    if (auto good = check_against(map, *entry, trim(piece.substr(piece.find('=') + 1)), mode); !good)
      return good.error();
    if (map.size() == limits::kMaxServices)
      return Error("there are more than " + std::to_string(limits::kMaxServices) + " services");
    map.push_back(std::move(*entry));
  }
  if (map.empty()) return Error("there is no entry");
  return map;
}

}  // namespace localproxy::config
