// The little of HTTP/1.1 that a WebSocket client needs: one request out, the head of one response in.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace localproxy::wire {

// The head of a response.
struct HttpResponse {
  int status = 0;
  std::string status_line;                                   // as received, without the line end
  std::vector<std::pair<std::string, std::string>> headers;  // in order; names as received, values trimmed

  // The value of a header, its name compared without case; empty optional when it is not there. A header that
  // is there several times: its values joined by ", " (RFC 9110, 5.3).
  std::optional<std::string> header(std::string_view name) const;
  // The headers as the log shows them: "NAME: VALUE" each, without the values that are secret.
  std::vector<std::string> shown_headers() const;
  // Seconds of Retry-After (RFC 9110, 10.2.3), at most limits::kRetryAfterMost; 0 when it is not there, or is
  // a date, which would need clocks that agree.
  uint16_t retry_after() const;
  // Whether a comma-separated header has this token, both compared without case.
  bool header_has_token(std::string_view name, std::string_view token) const;
};

// Collects the head of a response that arrives in pieces.
class ResponseReader {
 public:
  // Takes bytes from the front of `bytes` (which it moves forward) up to and including the empty line. True:
  // the head is complete and what is left in `bytes` comes after it. False: more is needed. An error: this is
  // not the head of an HTTP/1.x response (bad status line, a line that is no header, folded lines, control
  // bytes, bare CR or LF), or it is longer than limits::kMaxResponseHead.
  Result<bool> feed(Bytes& bytes);
  // REQUIRES: feed() has answered true.
  const HttpResponse& response() const { return response_; }

 private:
  Result<> take(char c);
  Result<> take_line();

  std::string line_;  // the line that is being received
  size_t size_ = 0;   // bytes taken so far
  bool complete_ = false;
  HttpResponse response_;
};

// A body, as far as it was received and is well formed.
struct DecodedBody {
  std::string payload;
  bool complete = false;  // nothing that may follow belongs to the payload
};

// Decodes a body in chunked coding (RFC 9112, 7.1).
DecodedBody decode_chunked(std::string_view body);

// Standard Base64 with padding (RFC 4648, 4).
std::string base64(Bytes bytes);

}  // namespace localproxy::wire
