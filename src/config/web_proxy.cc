#include "config/web_proxy.h"

#include <algorithm>
#include <utility>

#include "base/address.h"
#include "base/text.h"
#include "config/endpoint.h"

namespace localproxy::config {
namespace {

constexpr uint16_t kDefaultPort = 3128;  // Squid's port, and the reference's default
constexpr size_t kMaxCredentials = 512;  // bytes, decoded; they have to fit into one request head
constexpr std::string_view kSchemes[] = {"http", "https"};

// Appends text to out, with every %XX decoded.
Result<> decode(std::string_view text, std::string& out) {
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned byte = static_cast<unsigned char>(text[i]);
    if (byte == '%') {
      const std::string_view digits = text.substr(i + 1, 2);
      const auto coded = parse_number<unsigned>(digits, 16);
      if (digits.size() != 2 || !coded)
        return Error("a '%' in the user name or the password lacks its two hexadecimal digits");
      byte = *coded;
      i += 2;
    }
    if (byte < 0x20 || byte == 0x7f)
      return Error("the user name or the password has a control character in it");
    out.push_back(static_cast<char>(byte));
  }
  return {};
}

// USER[:PASSWORD], percent-encoded, as USER:PASSWORD.
Result<Secret> parse_credentials(std::string_view text) {
  const size_t colon = text.find(':');
  const std::string_view password =
      colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
  if (text.size() > 3 * kMaxCredentials) return Error("the user name and the password are too long");
  std::string plain;
  plain.reserve(text.size() + 1);  // so that growing leaves no copy behind
  auto done = decode(text.substr(0, colon), plain);
  // RFC 7617, 2: a user name with a colon cannot be sent.
  if (done && plain.find(':') != std::string::npos) done = Error("the user name has a colon in it");
  plain.push_back(':');
  if (done) done = decode(password, plain);
  if (done && plain.size() > kMaxCredentials) done = Error("the user name and the password are too long");
  Secret credentials(plain);
  wipe(plain);
  if (!done) return done.error();
  return credentials;
}

// network: ADDRESS/BITS; address: from address_bytes().
bool in_network(const std::string& address, std::string_view network) {
  const size_t slash = network.find('/');
  const std::string base = address_bytes(network.substr(0, slash));
  const std::string_view digits = network.substr(slash + 1);
  const auto bits = parse_number<size_t>(digits);
  if (!bits || base.empty() || base.size() != address.size() || *bits > 8 * base.size()) return false;
  for (size_t i = 0; i < *bits; ++i)
    if (((base[i / 8] ^ address[i / 8]) >> (7 - i % 8) & 1) != 0) return false;
  return true;
}

// "example.com." is the same host as "example.com".
std::string_view without_root_dot(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  return name;
}

// Takes ":PORT" off the end of an entry of no_proxy. False: the entry has one, and it is not this port.
bool fits_port(std::string_view& entry, uint16_t port) {
  const size_t colon = entry.rfind(':');
  if (colon == entry.npos) return true;
  const std::string_view host = entry.substr(0, colon);
  // An IPv6 address has its port after its brackets, or has none.
  if (host.find(':') != host.npos && !(host.starts_with('[') && host.ends_with(']'))) return true;
  const std::string_view digits = entry.substr(colon + 1);
  entry = host;
  return digits == std::to_string(port);
}

bool exempts(std::string_view entry, const Endpoint& endpoint) {
  if (entry == "*") return true;
  const std::string address = address_bytes(endpoint.host);
  if (entry.find('/') != entry.npos) return !address.empty() && in_network(address, entry);
  if (!fits_port(entry, endpoint.port)) return false;
  if (entry.starts_with('[') && entry.ends_with(']')) entry = entry.substr(1, entry.size() - 2);
  if (!address.empty()) return address_bytes(entry) == address;
  const bool below_only = entry.starts_with("*.");
  if (below_only) entry.remove_prefix(1);
  if (entry.starts_with('.')) entry.remove_prefix(1);
  const std::string_view host = without_root_dot(endpoint.host);
  entry = without_root_dot(entry);
  if (entry.empty() || host.size() < entry.size()) return false;
  if (!equal_ignoring_case(host.substr(host.size() - entry.size()), entry)) return false;
  if (host.size() == entry.size()) return !below_only;
  return host[host.size() - entry.size() - 1] == '.';
}

// The first of two names that is set, or null.
const char* first_set(Environment environment, const char* one, const char* other, std::string& name) {
  const char* text = look_up(environment, one);
  name = text != nullptr ? one : other;
  return text != nullptr ? text : look_up(environment, other);
}

}  // namespace

Result<WebProxy> parse_web_proxy(std::string_view text) {
  WebProxy proxy;
  // HOST:PORT alone is what curl(1) and many scripts take for an http proxy.
  if (const size_t scheme_end = text.find("://"); scheme_end == std::string_view::npos) {
    const size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || !parse_number<uint16_t>(text.substr(colon + 1)))
      return Error("the proxy is neither a URL that begins with 'http://' or 'https://' nor HOST:PORT");
    proxy.scheme = kSchemes[0];
  } else {
    for (const std::string_view scheme : kSchemes)
      if (equal_ignoring_case(text.substr(0, scheme_end), scheme)) proxy.scheme = scheme;
    if (proxy.scheme.empty()) return Error("the proxy's URL begins with neither 'http://' nor 'https://'");
    text.remove_prefix(scheme_end + 3);
  }

  if (text.ends_with('/')) text.remove_suffix(1);
  if (const size_t at = text.rfind('@'); at != std::string_view::npos) {
    auto credentials = parse_credentials(text.substr(0, at));
    if (!credentials) return credentials.error();
    proxy.credentials = std::move(*credentials);
    text.remove_prefix(at + 1);
  }
  // The error does not show the host: a password with a forgotten '@' could be in its place.
  auto endpoint = parse_endpoint(text);
  if (!endpoint) return Error("the proxy's URL does not end in HOST, HOST:PORT or [IPV6]:PORT");
  const bool bracketed = text.ends_with(']');
  const bool has_port = !bracketed && text.find(':') != std::string_view::npos;
  proxy.host = std::move(endpoint->host);
  proxy.port = has_port ? endpoint->port : kDefaultPort;
  return proxy;
}

std::vector<std::string> parse_no_proxy(std::string_view text) {
  constexpr std::string_view kSeparators = ", \t";
  std::vector<std::string> entries;
  while (true) {
    const size_t start = text.find_first_not_of(kSeparators);
    if (start == std::string_view::npos) return entries;
    const size_t end = text.find_first_of(kSeparators, start);
    entries.emplace_back(text.substr(start, end == std::string_view::npos ? end : end - start));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end);
  }
}

const std::string* find_exemption(const Endpoint& endpoint, const std::vector<std::string>& no_proxy) {
  for (const std::string& entry : no_proxy)
    if (exempts(entry, endpoint)) return &entry;
  return nullptr;
}

Result<> read_proxy_variables(Environment environment, Config& config) {
  std::string name;
  if (const char* text = first_set(environment, "no_proxy", "NO_PROXY", name))
    config.no_proxy = parse_no_proxy(text);
  const char* text = first_set(environment, "https_proxy", "HTTPS_PROXY", name);
  if (text == nullptr) return {};
  if (const std::string* entry = find_exemption(config.endpoint, config.no_proxy)) {
    config.exempted_by = *entry;
    return {};
  }
  auto proxy = parse_web_proxy(text);
  if (!proxy) return proxy.error().about(name);
  config.web_proxy.emplace(std::move(*proxy));
  return {};
}

Endpoint first_hop(const Config& config) {
  if (!config.web_proxy) return config.endpoint;
  return {config.web_proxy->host, config.web_proxy->port};
}

}  // namespace localproxy::config
