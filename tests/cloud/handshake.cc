#include "handshake.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "base/log.h"
#include "bounds.h"

namespace localproxy::service {
namespace {

constexpr std::string_view kSubprotocol = "aws.iot.securetunneling-";
constexpr std::string_view kTarget = "/tunnel?local-proxy-mode=";

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::string_view trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

// RFC 9110, 5.6.2.
bool is_token(std::string_view text) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return is_alphanumeric(c) || kMarks.find(c) != std::string_view::npos;
  });
}

bool is_header_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c == '\t' || (c >= 0x20 && c < 0x7f); });
}

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t end = text.find(at);
    parts.push_back(trim(text.substr(0, end)));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

bool lists(const Request& request, std::string_view name, std::string_view wanted) {
  for (const std::string& value : request.all(name)) {
    for (const std::string_view part : split(value, ','))
      if (lower(part) == wanted) return true;
  }
  return false;
}

Refusal bad_request(std::string reason) {
  return {400, std::move(reason)};
}

std::optional<Refusal> check_headers(const Request& request) {
  if (!request.single("host") || request.single("host")->empty())
    return bad_request("Exactly one Host header is needed");
  if (!lists(request, "upgrade", "websocket")) return bad_request("Upgrade is not websocket");
  if (!lists(request, "connection", "upgrade")) return bad_request("Connection is not upgrade");
  if (request.single("sec-websocket-version") != "13") {
    return Refusal{426, "Sec-WebSocket-Version must be 13"};
  }
  if (!request.all("content-length").empty() || !request.all("transfer-encoding").empty()) {
    return bad_request("An upgrade request has no body");
  }
  return std::nullopt;
}

// 24 characters of base64 that stand for 16 bytes.
bool is_key(std::string_view key) {
  if (key.size() != 24 || !key.ends_with("==")) return false;
  const std::string_view digits = key.substr(0, 22);
  const bool base64 = std::all_of(digits.begin(), digits.end(),
                                  [](char c) { return is_alphanumeric(c) || c == '+' || c == '/'; });
  // The last digit carries two bits; a correct encoder sets the other four to zero.
  return base64 && std::string_view("AQgw").find(digits.back()) != std::string_view::npos;
}

std::vector<std::string> access_tokens(const Request& request) {
  std::vector<std::string> tokens = request.all("access-token");
  for (const std::string& cookies : request.all("cookie")) {
    for (const std::string_view cookie : split(cookies, ';')) {
      constexpr std::string_view kName = "awsiot-tunnel-token=";
      if (cookie.starts_with(kName)) tokens.emplace_back(cookie.substr(kName.size()));
    }
  }
  return tokens;
}

bool is_client_token(std::string_view token) {
  return token.size() >= bounds::kClientTokenLeast && token.size() <= bounds::kClientTokenMost &&
         std::all_of(token.begin(), token.end(), [](char c) { return is_alphanumeric(c) || c == '-'; });
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 101:
      return "Switching Protocols";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 426:
      return "Upgrade Required";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    default:
      return status < 500 ? "Refused" : "Failed";
  }
}

}  // namespace

std::optional<std::string> Request::single(std::string_view name) const {
  std::vector<std::string> values = all(name);
  if (values.size() != 1) return std::nullopt;
  return std::move(values[0]);
}

std::vector<std::string> Request::all(std::string_view name) const {
  std::vector<std::string> values;
  for (const auto& [key, value] : headers)
    if (key == name) values.push_back(value);
  return values;
}

void Response::set(std::string_view name, std::string_view value) {
  for (auto& header : headers) {
    if (lower(header.first) == lower(name)) {
      header.second = value;
      return;
    }
  }
  headers.emplace_back(name, value);
}

void Response::remove(std::string_view name) {
  std::erase_if(headers, [&](const auto& header) { return lower(header.first) == lower(name); });
}

std::string Response::serialise() const {
  std::string text = "HTTP/1.1 " + std::to_string(status) + " " + std::string(reason_phrase(status)) + "\r\n";
  for (const auto& [name, value] : headers)
    text.append(name).append(": ").append(value).append("\r\n");
  return text + "\r\n" + body;
}

std::optional<size_t> head_length(std::string_view bytes) {
  const size_t end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) return std::nullopt;
  return end + 4;
}

std::variant<Request, Refusal> parse_request(std::string_view head) {
  Request request;
  const size_t line_end = head.find("\r\n");
  const std::string_view line = head.substr(0, line_end);
  const size_t first = line.find(' ');
  const size_t second = line.find(' ', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos ||
      line.substr(second + 1) != "HTTP/1.1" || !is_token(line.substr(0, first))) {
    return bad_request("The request line is not one of HTTP/1.1");
  }
  request.method = line.substr(0, first);
  request.target = line.substr(first + 1, second - first - 1);
  head.remove_prefix(line_end + 2);
  while (head != "\r\n") {
    const size_t end = head.find("\r\n");
    const std::string_view header = head.substr(0, end);
    const size_t colon = header.find(':');
    if (colon == std::string_view::npos || !is_token(header.substr(0, colon)) ||
        !is_header_value(header.substr(colon + 1))) {
      return bad_request("A header line is malformed");
    }
    request.headers.emplace_back(lower(header.substr(0, colon)), trim(header.substr(colon + 1)));
    head.remove_prefix(end + 2);
  }
  return request;
}

std::variant<Upgrade, Refusal> check_upgrade(const Request& request) {
  Upgrade upgrade;
  if (request.method != "GET") return bad_request("The method is not GET");
  const std::string_view target = request.target;
  if (!target.starts_with(kTarget)) return bad_request("The path is not /tunnel with a local-proxy-mode");
  const std::string_view mode = target.substr(kTarget.size());
  if (mode != "source" && mode != "destination") return bad_request("local-proxy-mode is unknown");
  upgrade.side = mode == "source" ? Side::kSource : Side::kDestination;
  if (auto wrong = check_headers(request)) return std::move(*wrong);

  const auto key = request.single("sec-websocket-key");
  if (!key || !is_key(*key)) return bad_request("Sec-WebSocket-Key is not base64 of 16 bytes");
  upgrade.key = *key;
  const auto subprotocols = request.single("sec-websocket-protocol");
  if (!subprotocols) return bad_request("Exactly one Sec-WebSocket-Protocol header is needed");
  for (const std::string_view name : split(*subprotocols, ',')) {
    for (int version = 3; version >= 1 && upgrade.version == 0; --version) {
      upgrade.subprotocol = std::string(kSubprotocol) + std::to_string(version) + ".0";
      if (name == upgrade.subprotocol) upgrade.version = version;
    }
  }
  if (upgrade.version == 0) return bad_request("Sec-WebSocket-Protocol is not supported");

  const std::vector<std::string> tokens = access_tokens(request);
  if (tokens.size() != 1 || tokens[0].empty()) {
    return bad_request("Invalid access token: Exactly one access token is needed");
  }
  upgrade.access_token = tokens[0];
  if (!request.all("client-token").empty()) {
    upgrade.client_token = request.single("client-token");
    if (!upgrade.client_token || !is_client_token(*upgrade.client_token)) {
      return bad_request("Invalid client token: The client token must match ^[a-zA-Z0-9-]{32,128}$");
    }
  }
  return upgrade;
}

Response make_switch(const Upgrade& upgrade, std::string_view channel_id) {
  return {.status = 101,
          .headers = {{"Connection", "upgrade"},
                      {"channel-id", std::string(channel_id)},
                      {"upgrade", "websocket"},
                      {"sec-websocket-accept", accept_for(upgrade.key)},
                      {"sec-websocket-protocol", upgrade.subprotocol}},
          .body = {}};
}

Response make_refusal(const Refusal& refusal, std::string_view channel_id) {
  Response response{.status = refusal.status,
                    .headers = {{"Connection", "close"},
                                {"channel-id", std::string(channel_id)},
                                {"content-type", "text/plain"},
                                {"content-length", std::to_string(refusal.reason.size())}},
                    .body = refusal.reason};
  if (refusal.status == 426) {
    response.set("upgrade", "websocket");
    response.set("sec-websocket-version", "13");
  }
  return response;
}

std::string accept_for(std::string_view key) {
  const std::string input = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  check(EVP_Digest(input.data(), input.size(), digest.data(), &size, EVP_sha1(), nullptr) == 1, "no SHA-1");
  std::array<unsigned char, 64> text{};
  const int length = EVP_EncodeBlock(text.data(), digest.data(), static_cast<int>(size));
  return {reinterpret_cast<const char*>(text.data()), static_cast<size_t>(length)};
}

}  // namespace localproxy::service
