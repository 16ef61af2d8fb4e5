// One HTTP exchange on a non-blocking connection: with the service over TLS, or with a web proxy, over TLS or
// in the clear.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/log.h"
#include "tls/session.h"
#include "wire/http_exchange.h"

namespace localproxy::net {

// What HTTP runs on: a TLS session, or a bare socket. Neither is owned.
class HttpTransport {
 public:
  explicit HttpTransport(tls::Session& session) : session_(&session) {}
  explicit HttpTransport(int socket) : socket_(socket) {}

  tls::Io read(MutableBytes into, size_t& size);
  tls::Io write(Bytes bytes, size_t& size);
  tls::Io flush() { return session_ != nullptr ? session_->flush() : tls::Io::kDone; }
  // Why an operation failed.
  const std::string& error() const { return session_ != nullptr ? session_->error() : error_; }

 private:
  tls::Session* session_ = nullptr;
  int socket_ = -1;
  std::string error_;  // of the bare socket
};

class HttpClient {
 public:
  enum class Step : uint8_t {
    kWantRead,   // call again when the socket is readable
    kWantWrite,  // call again when the socket is writable
    kSent,       // the request was sent and wiped; call again at once
    kHead,       // the head of an answer has arrived, but not yet all of it; call again at once
    kAccepted,   // rest() has what follows
    kRefused,    // refusal_text() says why
    kLost,       // the connection ended before the answer; error() may say why
    kMalformed,  // the answer is not HTTP; error() says why
  };

  // request: see wire::HttpExchange.
  HttpClient(HttpTransport transport, std::string request, wire::HttpExchange::Success success)
      : transport_(std::move(transport)), exchange_(std::move(request), success) {}

  // Continues as far as it can. REQUIRES: none of the last four steps was returned before.
  Step advance();

  // What the peer sent behind its answer. REQUIRES: advance() has returned kAccepted.
  const std::string& rest() const { return *rest_; }
  const std::string& error() const { return error_; }
  bool refusing() const { return exchange_.refusing(); }
  const wire::HttpResponse& response() const { return exchange_.response(); }
  std::string refusal_text() const { return exchange_.refusal_text(); }

 private:
  Step send();
  Step receive();
  Step wait_or_end(tls::Io io);

  HttpTransport transport_;
  wire::HttpExchange exchange_;
  bool sent_ = false;
  std::optional<std::string> rest_;  // what was read after a head, until it is used
  std::string error_;
};

}  // namespace localproxy::net
