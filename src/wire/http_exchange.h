// One request of HTTP/1.1 and its answer, as a client sees them: bytes out, bytes in.
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/http.h"

namespace localproxy::wire {

// The body of an error response, as far as it is shown.
class ErrorBody {
 public:
  // Takes bytes of the body as they arrive. True: it is complete, or no more of it is kept
  // (limits::kMaxErrorBody). A body without a length ends with the connection.
  bool take(const HttpResponse& response, Bytes bytes);
  // "HTTP/1.1 403 Forbidden: first line", the latter only if it is text and not mark-up. Bounded.
  std::string text(const HttpResponse& response) const;

 private:
  std::string body_;
};

class HttpExchange {
 public:
  // What makes an answer a success.
  enum class Success : uint8_t {
    kSwitching,  // 101, of an upgrade
    kAny2xx,     // of CONNECT
  };
  enum class Step : uint8_t {
    kMore,      // everything was taken, and more is needed
    kInterim,   // an answer of 1xx, which another follows
    kAccepted,  // what is left of the bytes comes after the answer
    kRefusal,   // the head of a refusal; its body says why
    kRefused,   // the whole refusal
  };

  // request: its bytes, which may hold secrets. They are wiped once they are sent, or by the destructor.
  HttpExchange(std::string request, Success success);
  ~HttpExchange();
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;

  // What is left to send of the request.
  Bytes unsent() const;
  // REQUIRES: size <= unsent().size().
  void sent(size_t size);

  // Takes bytes of the answer from the front of `bytes`, as many as belong to the step that it returns. After
  // kInterim and kRefusal, call it again with the rest, even if that is empty. An error: the answer is not
  // HTTP. REQUIRES: nothing is unsent; neither kAccepted nor kRefused was returned before.
  Result<Step> receive(Bytes& bytes);

  // Whether a refusal has begun. The end of the connection is then the end of its body.
  bool refusing() const { return refusing_; }
  // REQUIRES: receive() has returned anything but kMore.
  const HttpResponse& response() const { return reader_.response(); }
  // The status line, and the reason as far as it was received. REQUIRES: refusing().
  std::string refusal_text() const { return body_.text(response()); }

 private:
  std::string request_;
  size_t sent_ = 0;
  const Success success_;
  ResponseReader reader_;
  bool interim_ = false;  // the reader has a 1xx answer, which another follows
  int interims_ = 0;
  bool refusing_ = false;
  ErrorBody body_;
};

}  // namespace localproxy::wire
