#include "wire/refusal.h"

#include <algorithm>
#include <string_view>

#include "base/limits.h"
#include "base/text.h"

namespace localproxy::wire {
namespace {

// Bytes of a status line that are shown; most have fewer than 40.
constexpr size_t kShownStatus = 128;
// Bytes of the body's first line that are shown. What is to be done about it follows, in the same line of the
// log.
constexpr size_t kShownSentence = 256;

// The payload of a body, as far as it has come.
DecodedBody decode(const HttpResponse& response, std::string_view body) {
  if (response.header_has_token("transfer-encoding", "chunked")) return decode_chunked(body);
  const auto size = parse_number<size_t>(response.header("content-length").value_or(""));
  // Without a length that makes sense it ends with the connection.
  if (!size) return {.payload = std::string(body)};
  return {.payload = std::string(body.substr(0, *size)), .complete = body.size() >= *size};
}

}  // namespace

bool Refusal::take(const HttpResponse& response, Bytes bytes) {
  const size_t room = limits::kMaxRefusalBody - body_.size();
  body_.append(as_text(bytes.first(std::min(bytes.size(), room))));
  return body_.size() == limits::kMaxRefusalBody || decode(response, body_).complete;
}

std::string Refusal::text(const HttpResponse& response) const {
  std::string text = response.status_line.substr(0, kShownStatus);
  const std::string payload = decode(response, body_).payload;
  const std::string sentence = payload.substr(0, std::min(payload.find_first_of("\r\n"), kShownSentence));
  if (!sentence.empty() && !sentence.starts_with('<')) text += ": " + sentence;
  return text;
}

}  // namespace localproxy::wire
