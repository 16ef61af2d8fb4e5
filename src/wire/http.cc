#include "wire/http.h"

#include <algorithm>
#include <charconv>

#include "base/limits.h"
#include "base/text.h"

namespace localproxy::wire {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// RFC 9110, 5.6.2: the bytes of a header's name.
bool is_token(std::string_view text) {
  static constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    const char lower = to_lower(c);
    return (lower >= 'a' && lower <= 'z') || is_digit(c) || kMarks.find(c) != kMarks.npos;
  });
}

// Headers of an answer that may contain a token: the service also accepts the token as a cookie.
constexpr std::string_view kSecretHeaders[] = {"set-cookie",   "set-cookie2",   "access-token",
                                               "client-token", "authorization", "proxy-authorization"};

// As much of an unexpected line as a person needs to see.
std::string in_quotes(std::string_view line) {
  static constexpr size_t kShown = 60;
  std::string text = "\"";
  text += line.substr(0, kShown);
  text += line.size() > kShown ? "...\"" : "\"";
  return text;
}

// RFC 9112, 4. The space and the reason after the status may be missing, as with some servers.
bool parse_status(std::string_view line, int& status) {
  static constexpr std::string_view kVersion = "HTTP/1.";
  static constexpr size_t kStatusAt = kVersion.size() + 2;
  if (!line.starts_with(kVersion) || line.size() < kStatusAt + 3) return false;
  const std::string_view digits = line.substr(kStatusAt, 3);
  if (!is_digit(line[kVersion.size()]) || line[kVersion.size() + 1] != ' ') return false;
  if (!std::all_of(digits.begin(), digits.end(), is_digit) || digits[0] == '0') return false;
  if (line.size() > kStatusAt + 3 && line[kStatusAt + 3] != ' ') return false;
  status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
  return true;
}

}  // namespace

std::vector<std::string> HttpResponse::shown_headers() const {
  std::vector<std::string> shown;
  for (const auto& [name, value] : headers) {
    const auto same = [&header = name](std::string_view secret) {
      return equal_ignoring_case(secret, header);
    };
    shown.push_back(name + ": " + (std::ranges::any_of(kSecretHeaders, same) ? "(not shown)" : value));
  }
  return shown;
}

std::optional<std::string> HttpResponse::header(std::string_view name) const {
  std::optional<std::string> joined;
  for (const auto& [key, value] : headers) {
    if (!equal_ignoring_case(key, name)) continue;
    if (joined) {
      *joined += ", " + value;
    } else {
      joined = value;
    }
  }
  return joined;
}

uint16_t HttpResponse::retry_after() const {
  const auto seconds = parse_number<uint64_t>(header("retry-after").value_or(""));
  const auto most = static_cast<uint64_t>(limits::kRetryAfterMost.count());
  return static_cast<uint16_t>(std::min(seconds.value_or(0), most));
}

bool HttpResponse::header_has_token(std::string_view name, std::string_view token) const {
  const std::optional<std::string> list = header(name);
  if (!list) return false;
  std::string_view rest = *list;
  while (true) {
    const size_t comma = rest.find(',');
    if (equal_ignoring_case(trim(rest.substr(0, comma)), token)) return true;
    if (comma == rest.npos) return false;
    rest.remove_prefix(comma + 1);
  }
}

Result<bool> ResponseReader::feed(Bytes& bytes) {
  while (!complete_ && !bytes.empty()) {
    if (size_ == limits::kMaxResponseHead) {
      return Error("HTTP response with a head of more than " + std::to_string(limits::kMaxResponseHead) +
                   " bytes");
    }
    const auto c = static_cast<char>(bytes[0]);
    bytes = bytes.subspan(1);
    ++size_;
    if (Result<> taken = take(c); !taken) return taken.error();
  }
  return complete_;
}

Result<> ResponseReader::take(char c) {
  const bool after_cr = line_.ends_with('\r');
  if (after_cr != (c == '\n')) return Error("HTTP response with a bare CR or LF in its head");
  if (c == '\n') {
    line_.pop_back();
    Result<> taken = take_line();
    line_.clear();
    return taken;
  }
  const auto byte = static_cast<uint8_t>(c);
  if ((byte < 0x20 && c != '\t' && c != '\r') || byte == 0x7f) {
    return Error("HTTP response with control byte " + std::to_string(byte) + " in its head");
  }
  line_ += c;
  return {};
}

Result<> ResponseReader::take_line() {
  if (response_.status == 0) {
    if (!parse_status(line_, response_.status)) return Error("not an HTTP/1.x response: " + in_quotes(line_));
    response_.status_line = line_;
    return {};
  }
  if (line_.empty()) {
    complete_ = true;
    return {};
  }
  if (line_[0] == ' ' || line_[0] == '\t') return Error("HTTP response with a folded header line");
  const std::string_view line = line_;
  const size_t colon = line.find(':');
  if (colon == line.npos || !is_token(line.substr(0, colon))) {
    return Error("HTTP response with a line that is no header: " + in_quotes(line));
  }
  response_.headers.emplace_back(line.substr(0, colon), trim(line.substr(colon + 1)));
  return {};
}

DecodedBody decode_chunked(std::string_view body) {
  DecodedBody decoded;
  for (;;) {
    const size_t line_end = body.find("\r\n");
    if (line_end == std::string_view::npos) return decoded;
    size_t size = 0;
    const std::errc error = std::from_chars(body.data(), body.data() + line_end, size, 16).ec;
    decoded.complete = error != std::errc() || size == 0;
    if (decoded.complete) return decoded;
    body.remove_prefix(line_end + 2);
    decoded.payload += body.substr(0, size);
    // A chunk is followed by a line end, then by the size of the next chunk.
    if (body.size() < 2 || size > body.size() - 2) return decoded;
    body.remove_prefix(size + 2);
  }
}

std::string base64(Bytes bytes) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t got = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j)
      group = group << 8 | (j < got ? bytes[i + j] : 0U);
    for (size_t j = 0; j < 4; ++j)
      out += j <= got ? kDigits[group >> (18 - 6 * j) & 0x3f] : '=';
  }
  return out;
}

}  // namespace localproxy::wire
