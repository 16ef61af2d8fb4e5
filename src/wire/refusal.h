// What an answer that is no success says to people: its status line, and the first line of its body.
#pragma once

#include <string>

#include "base/bytes.h"
#include "wire/http.h"

namespace localproxy::wire {

class Refusal {
 public:
  // Bytes of the body, as they come. True: that is all there is to it, or all that is kept
  // (limits::kMaxRefusalBody). A body without a length ends with the connection.
  bool take(const HttpResponse& response, Bytes bytes);
  // "HTTP/1.1 403 Forbidden: first line", the latter only when it is text and no mark-up. Bounded.
  std::string text(const HttpResponse& response) const;

 private:
  std::string body_;
};

}  // namespace localproxy::wire
