// The handshake with a web proxy, from the connected socket until the proxy relays bytes to the service: TLS
// with the proxy if its URL says https, CONNECT, and the answer.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/log.h"
#include "base/secret.h"
#include "ipc/messages.h"
#include "net/http_client.h"
#include "tls/session.h"

namespace localproxy::net {

// Which web proxy to use, and how.
struct ProxyRequest {
  ipc::ProxyKind kind = ipc::ProxyKind::kNone;
  std::string host;
  uint16_t port = 0;
  Secret credentials;       // USER:PASSWORD, or empty
  std::string certificate;  // kHttps: see tls::Session::present(); empty: none
  Secret key;
};

class ProxyHandshake {
 public:
  // target: HOST:PORT of the service. REQUIRES: request.kind is not kNone. Its credentials and its key are
  // wiped.
  ProxyHandshake(tls::Context& context, Log& log, UniqueFd socket, ProxyRequest& request, std::string target);
  ProxyHandshake(const ProxyHandshake&) = delete;
  ProxyHandshake& operator=(const ProxyHandshake&) = delete;

  // Continues as far as it can. kDone: call session(); kFailed: end() says why; others: call again
  // when the descriptor is ready.
  tls::Io advance();
  const ipc::Down& end() const { return end_; }
  // The end to report if the deadline passes.
  ipc::Down late() const;
  // Whether the proxy has refused and only its reason is still to come, which is not worth the whole
  // deadline.
  bool refused() const { return client_ && client_->refusing(); }
  // A TLS session with the service through the proxy; nothing has been sent on it yet. Call once, after
  // kDone.
  Result<std::unique_ptr<tls::Session>> session(const std::string& host, bool verify);

 private:
  enum class Phase : uint8_t { kTls, kConnect, kDone, kFailed };

  tls::Io do_tls();
  tls::Io do_connect();
  void log_head();
  tls::Io accept();
  tls::Io refuse();
  ipc::Down refusal() const;
  std::string certificate_advice() const;
  tls::Io fail(ipc::DownReason what, const std::string& reason);

  tls::Context& context_;
  Log& log_;
  UniqueFd socket_;                        // with a proxy without TLS
  std::unique_ptr<tls::Session> session_;  // with the proxy
  const std::string name_;                 // "web proxy HOST:PORT"
  const std::string target_;
  const bool has_credentials_;
  const bool has_certificate_;
  Phase phase_;
  std::optional<HttpClient> client_;
  ipc::Down end_;
};

}  // namespace localproxy::net
