// The dialogue with a web proxy, from the connected socket until the proxy passes bytes on to the service:
// TLS with the proxy if it is reached by https, CONNECT, and its answer.
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

// Which web proxy is used, and how it is asked.
struct ProxyRequest {
  ipc::ProxyKind kind = ipc::ProxyKind::kNone;
  std::string host;
  uint16_t port = 0;
  Secret credentials;  // USER:PASSWORD, or empty
};

class ProxyHandshake {
 public:
  // target: HOST:PORT of the service. REQUIRES: request.kind is not kNone. Its credentials are wiped.
  ProxyHandshake(tls::Context& context, Log& log, UniqueFd socket, ProxyRequest& request, std::string target);
  ProxyHandshake(const ProxyHandshake&) = delete;
  ProxyHandshake& operator=(const ProxyHandshake&) = delete;

  // Goes on as far as it can. kDone: session() may be asked for; kFailed: end() says why; others: call again
  // when the descriptor is ready.
  tls::Io advance();
  const ipc::Down& end() const { return end_; }
  // What end() is to be when nothing comes in time.
  ipc::Down late() const;
  // Whether the proxy has refused and only its reason is awaited: that is not worth the whole deadline.
  bool refused() const { return client_ && client_->refusing(); }
  // TLS with the service, inside what the proxy passes on; nothing of it is sent yet. Once, after kDone.
  Result<std::unique_ptr<tls::Session>> session(const std::string& host, bool verify);

 private:
  enum class Phase : uint8_t { kTls, kConnect, kDone, kFailed };

  tls::Io do_tls();
  tls::Io do_connect();
  void log_head();
  tls::Io accept();
  tls::Io refuse();
  ipc::Down refusal() const;
  tls::Io fail(ipc::DownReason what, std::string reason);

  tls::Context& context_;
  Log& log_;
  UniqueFd socket_;                        // of a proxy without TLS
  std::unique_ptr<tls::Session> session_;  // with the proxy
  const std::string name_;                 // "web proxy HOST:PORT"
  const std::string target_;
  const bool has_credentials_;
  Phase phase_;
  std::optional<HttpClient> client_;
  ipc::Down end_;
};

}  // namespace localproxy::net
