// From a connected socket to a tunnel: through the web proxy if there is one, TLS with the service, and the
// upgrade to a WebSocket.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/log.h"
#include "base/secret.h"
#include "event/loop.h"
#include "ipc/messages.h"
#include "net/http_client.h"
#include "net/proxy_handshake.h"
#include "tls/session.h"

namespace localproxy::net {

// What is needed to ask for a tunnel.
struct TunnelRequest {
  std::string host;
  uint16_t port = 0;
  bool verify = true;             // false: -k
  std::vector<std::string> pins;  // see tls::Session::pin()
  std::string mode;               // "source" or "destination"
  std::string subprotocol;
  Secret access_token;
  Secret client_token;  // empty: none
  ProxyRequest proxy;
};

// A connection that has been upgraded.
struct Upgraded {
  std::unique_ptr<tls::Session> session;
  std::string authority;  // HOST:PORT for the log
  std::string early;      // what the service sent right behind its answer
};

class Handshake {
 public:
  using OnUpgraded = std::function<void(Upgraded)>;
  using OnFailed = std::function<void(const ipc::Down&)>;
  // One of the two is called, once, from the loop. The tokens are wiped as soon as they are sent.
  Handshake(event::Loop& loop, Log& log, tls::Context& context, UniqueFd socket, TunnelRequest request,
            OnUpgraded on_upgraded, OnFailed on_failed);
  ~Handshake();

 private:
  enum class Phase : uint8_t { kProxy, kTls, kUpgrade, kEnded };

  void advance();
  void do_proxy();
  void begin_tls(Result<std::unique_ptr<tls::Session>> session);
  void do_tls();
  void begin_upgrade();
  void do_upgrade();
  bool refused() const { return upgrade_ && upgrade_->refusing(); }
  void log_head();
  void log_channel_id();
  void accept();
  void refuse();
  void on_deadline();
  void wait(tls::Io io);
  void fail(ipc::DownReason what, const std::string& text);
  void fail(ipc::Down end);

  Log& log_;
  tls::Context& context_;
  TunnelRequest request_;
  const std::string authority_;
  OnUpgraded on_upgraded_;
  Phase phase_ = Phase::kTls;
  std::unique_ptr<ProxyHandshake> proxy_;  // until it relays bytes
  std::unique_ptr<tls::Session> session_;  // with the service
  std::string expected_accept_;
  std::optional<HttpClient> upgrade_;
  ipc::Down end_;
  event::Watcher watcher_;
  event::Timer deadline_;
  event::Task start_;
  event::Task report_failure_;
  event::Task wipe_stack_;  // run from the loop: no frame above it has seen the tokens
};

}  // namespace localproxy::net
