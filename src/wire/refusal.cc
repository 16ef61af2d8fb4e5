#include "wire/refusal.h"

#include <algorithm>

#include "base/limits.h"

namespace localproxy::wire {
namespace {

// Bytes of a status line that are shown; most have fewer than 40.
constexpr size_t kShownStatus = 128;
// Bytes of the body's first line that are shown. What is to be done about it follows, in the same line of the
// log.
constexpr size_t kShownSentence = 256;

bool is_chunked(const HttpResponse& response) {
  return response.header_has_token("transfer-encoding", "chunked");
}

}  // namespace

bool Refusal::take(const HttpResponse& response, Bytes bytes) {
  const size_t room = limits::kMaxRefusalBody - body_.size();
  body_.append(as_text(bytes.first(std::min(bytes.size(), room))));
  const std::string length = response.header("content-length").value_or("");
  const bool last_chunk = is_chunked(response) && body_.ends_with("0\r\n\r\n");
  return body_.size() == limits::kMaxRefusalBody || length == std::to_string(body_.size()) || last_chunk;
}

std::string Refusal::text(const HttpResponse& response) const {
  std::string text = response.status_line.substr(0, kShownStatus);
  const std::string payload = is_chunked(response) ? decode_chunked(body_) : body_;
  const std::string sentence = payload.substr(0, std::min(payload.find_first_of("\r\n"), kShownSentence));
  if (!sentence.empty() && !sentence.starts_with('<')) text += ": " + sentence;
  return text;
}

}  // namespace localproxy::wire
