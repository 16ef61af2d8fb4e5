#include "config/web_proxy.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "config/endpoint.h"

namespace localproxy::config {
namespace {

constexpr uint16_t kDefaultPort = 3128;  // that of the first such proxy, and the reference's default
constexpr size_t kMaxCredentials = 512;  // bytes, decoded; they have to fit into one request head
constexpr std::string_view kSchemes[] = {"http", "https"};

char lower(char byte) {
  return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
}

// host is an IPv4 or IPv6 address; no host name ends in a digit-only label or has a colon (see check_host).
bool is_address(std::string_view host) {
  return host.find(':') != std::string_view::npos ||
         host.substr(host.find_last_of('.') + 1).find_first_not_of("0123456789") == std::string_view::npos;
}

bool same_name(std::string_view one, std::string_view other) {
  return std::ranges::equal(one, other, {}, lower, lower);
}

// Adds text with every %XX decoded to out.
Result<> decode(std::string_view text, std::string& out) {
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned byte = static_cast<unsigned char>(text[i]);
    if (byte == '%') {
      const std::string_view digits = text.substr(i + 1, 2);
      const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
      if (failed != std::errc() || digits.size() != 2 || end != digits.data() + 2)
        return Error("a '%' in the user name or the password lacks its two hexadecimal digits");
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

// Null instead of empty.
const char* look_up(Environment environment, const char* name) {
  const char* text = environment(name);
  return text != nullptr && *text != '\0' ? text : nullptr;
}

// The first of two names that is set, or null.
const char* first_set(Environment environment, const char* one, const char* other, std::string& name) {
  const char* text = look_up(environment, one);
  name = text != nullptr ? one : other;
  return text != nullptr ? text : look_up(environment, other);
}

}  // namespace

Result<WebProxy> parse_web_proxy(std::string_view text) {
  const size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos)
    return Error("the proxy is not a URL that begins with 'http://' or 'https://'");
  WebProxy proxy;
  for (const std::string_view scheme : kSchemes)
    if (same_name(text.substr(0, scheme_end), scheme)) proxy.scheme = scheme;
  if (proxy.scheme.empty()) return Error("the proxy's URL begins with neither 'http://' nor 'https://'");
  text.remove_prefix(scheme_end + 3);

  if (text.ends_with('/')) text.remove_suffix(1);
  if (const size_t at = text.rfind('@'); at != std::string_view::npos) {
    auto credentials = parse_credentials(text.substr(0, at));
    if (!credentials) return credentials.error();
    proxy.credentials = std::move(*credentials);
    text.remove_prefix(at + 1);
  }
  // What is wrong with the host is not said: a password with a forgotten '@' could be in its place.
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

bool exempt_from_proxy(std::string_view host, const std::vector<std::string>& no_proxy) {
  return std::ranges::any_of(no_proxy, [&](std::string_view entry) {
    if (entry == "*") return true;
    if (entry.starts_with('.')) entry.remove_prefix(1);
    if (entry.starts_with('[') && entry.ends_with(']')) entry = entry.substr(1, entry.size() - 2);
    if (entry.empty() || host.size() < entry.size()) return false;
    if (!same_name(host.substr(host.size() - entry.size()), entry)) return false;
    if (host.size() == entry.size()) return true;
    return !is_address(host) && host[host.size() - entry.size() - 1] == '.';
  });
}

Result<> read_proxy_variables(Environment environment, Config& config) {
  std::string name;
  if (const char* text = first_set(environment, "no_proxy", "NO_PROXY", name))
    config.no_proxy = parse_no_proxy(text);
  const char* text = first_set(environment, "https_proxy", "HTTPS_PROXY", name);
  if (text == nullptr || exempt_from_proxy(config.endpoint.host, config.no_proxy)) return {};
  auto proxy = parse_web_proxy(text);
  if (!proxy) return Error(name + ": " + proxy.error().text());
  config.web_proxy.emplace(std::move(*proxy));
  return {};
}

}  // namespace localproxy::config
