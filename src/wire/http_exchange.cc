#include "wire/http_exchange.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/limits.h"
#include "base/secret.h"
#include "base/text.h"

namespace localproxy::wire {
namespace {

// 1xx answers before the real one. Nobody sends more than one or two, and each keeps us waiting.
constexpr int kMaxInterims = 8;

// Bytes of a status line that are shown; most have fewer than 40.
constexpr size_t kShownStatus = 128;
// Bytes of the body's first line that are shown. Advice follows it in the same line of the log.
constexpr size_t kShownSentence = 256;

// The payload of a body, as far as it was received.
DecodedBody decode(const HttpResponse& response, std::string_view body) {
  if (response.header_has_token("transfer-encoding", "chunked")) return decode_chunked(body);
  const auto size = parse_number<size_t>(response.header("content-length").value_or(""));
  // A body without a valid length ends with the connection.
  if (!size) return {.payload = std::string(body)};
  return {.payload = std::string(body.substr(0, *size)), .complete = body.size() >= *size};
}

}  // namespace

bool ErrorBody::take(const HttpResponse& response, Bytes bytes) {
  const size_t room = limits::kMaxErrorBody - body_.size();
  body_.append(as_text(bytes.first(std::min(bytes.size(), room))));
  return body_.size() == limits::kMaxErrorBody || decode(response, body_).complete;
}

std::string ErrorBody::text(const HttpResponse& response) const {
  std::string text = response.status_line.substr(0, kShownStatus);
  const std::string payload = decode(response, body_).payload;
  const std::string sentence = payload.substr(0, std::min(payload.find_first_of("\r\n"), kShownSentence));
  if (!sentence.empty() && !sentence.starts_with('<')) text += ": " + sentence;
  return text;
}

HttpExchange::HttpExchange(std::string request, Success success)
    : request_(std::move(request)), success_(success) {}

HttpExchange::~HttpExchange() {
  wipe(request_);
}

Bytes HttpExchange::unsent() const {
  return as_bytes(request_).subspan(sent_);
}

void HttpExchange::sent(size_t size) {
  sent_ += size;
  if (sent_ < request_.size()) return;
  wipe(request_);
  sent_ = 0;
}

Result<HttpExchange::Step> HttpExchange::receive(Bytes& bytes) {
  if (refusing_) {
    const bool whole = body_.take(response(), std::exchange(bytes, {}));
    return whole ? Step::kRefused : Step::kMore;
  }
  if (std::exchange(interim_, false)) reader_ = ResponseReader();
  const Result<bool> complete = reader_.feed(bytes);
  if (!complete) return complete.error();
  if (!*complete) return Step::kMore;
  const int status = response().status;
  const bool accepted = success_ == Success::kSwitching ? status == 101 : status / 100 == 2;
  if (accepted) return Step::kAccepted;
  interim_ = status / 100 == 1 && status != 101 && ++interims_ <= kMaxInterims;
  if (interim_) return Step::kInterim;
  refusing_ = true;
  return Step::kRefusal;
}

}  // namespace localproxy::wire
