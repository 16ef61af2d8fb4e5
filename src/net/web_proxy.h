// The dialogue with a web proxy, from the connected socket until the proxy passes bytes on to the service:
// TLS with the proxy if it is reached by https, CONNECT, and its answer.
#pragma once

#include <memory>
#include <string>

#include "base/fd.h"
#include "base/log.h"
#include "ipc/messages.h"
#include "net/link_end.h"
#include "tls/session.h"
#include "wire/http.h"
#include "wire/refusal.h"

namespace localproxy::net {

class WebProxy {
 public:
  // REQUIRES: grant.proxy is not kNone. The credentials of the grant are wiped.
  WebProxy(tls::Context& context, Log& log, UniqueFd socket, ipc::Grant& grant);
  ~WebProxy();
  WebProxy(const WebProxy&) = delete;
  WebProxy& operator=(const WebProxy&) = delete;

  int fd() const { return session_ ? session_->fd() : socket_.get(); }
  // Goes on as far as it can. kDone: session() may be asked for; kFailed: end() says why; others: call again
  // when the descriptor is ready.
  tls::Io advance();
  const LinkEnd& end() const { return end_; }
  // What end() is to be when nothing comes in time.
  LinkEnd late() const;
  // Whether the proxy has refused and only its reason is awaited: that is not worth the whole deadline.
  bool refused() const { return phase_ == Phase::kRefusal; }
  // TLS with the service, inside what the proxy passes on; nothing of it is sent yet. Once, after kDone.
  Result<std::unique_ptr<tls::Session>> session(const std::string& host, bool verify);

 private:
  enum class Phase : uint8_t { kTls, kRequest, kResponse, kRefusal, kDone, kFailed };

  tls::Io do_tls();
  tls::Io send_request();
  tls::Io read_response();
  void on_bytes(Bytes bytes);
  void on_response(Bytes rest);
  tls::Io refuse();
  std::string refusal_text() const;
  // Whatever lies below HTTP: the session, or the bare socket.
  tls::Io read(MutableBytes into, size_t& size);
  tls::Io write(Bytes bytes, size_t& size);
  std::string broken() const;
  tls::Io fail(ipc::DownClass what, std::string reason);

  tls::Context& context_;
  Log& log_;
  UniqueFd socket_;                        // of a proxy without TLS
  std::unique_ptr<tls::Session> session_;  // with the proxy
  const std::string name_;                 // "web proxy HOST:PORT"
  const std::string target_;               // HOST:PORT of the service
  const bool has_credentials_;
  Phase phase_;
  std::string request_;  // wiped
  size_t sent_ = 0;
  int interim_ = 0;  // answers that were none yet
  std::string system_error_;
  wire::ResponseReader response_;
  wire::Refusal refusal_;
  LinkEnd end_;
};

}  // namespace localproxy::net
