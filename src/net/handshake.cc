#include "net/handshake.h"

#include <array>
#include <utility>

#include "base/address.h"
#include "base/limits.h"
#include "build_config.h"
#include "wire/http_request.h"

namespace localproxy::net {

using ipc::DownReason;
using tls::Io;

Handshake::Handshake(event::Loop& loop, Log& log, tls::Context& context, UniqueFd socket,
                     TunnelRequest request, OnUpgraded on_upgraded, OnFailed on_failed)
    : log_(log),
      context_(context),
      request_(std::move(request)),
      authority_(authority_of(request_.host, request_.port)),
      on_upgraded_(std::move(on_upgraded)),
      watcher_(
          loop, socket.get(), [this] { advance(); },
          [this] {
            watcher_.want_write(false);
            advance();
          }),
      deadline_(loop, [this] { on_deadline(); }),
      start_(loop, [this] { advance(); }),
      report_failure_(loop, [this, on_failed = std::move(on_failed)] { on_failed(end_); }),
      wipe_stack_(loop, wipe_stack) {
  watcher_.want_read(true);
  deadline_.start(limits::kNegotiation);
  if (request_.proxy.kind == ipc::ProxyKind::kNone) {
    begin_tls(tls::Session::create(context_, std::move(socket), request_.host, request_.verify));
    return;
  }
  proxy_ = std::make_unique<ProxyHandshake>(context_, log_, std::move(socket), request_.proxy, authority_);
  phase_ = Phase::kProxy;
  start_.start();
}

Handshake::~Handshake() = default;

void Handshake::advance() {
  switch (phase_) {
    case Phase::kProxy:
      return do_proxy();
    case Phase::kTls:
      return do_tls();
    case Phase::kUpgrade:
      return do_upgrade();
    case Phase::kEnded:
      return;
  }
}

void Handshake::do_proxy() {
  const bool knew = proxy_->refused();
  const Io io = proxy_->advance();
  if (io == Io::kFailed) return fail(proxy_->end());
  if (proxy_->refused() && !knew) deadline_.start(limits::kCloseReply);
  if (io != Io::kDone) return wait(io);
  begin_tls(proxy_->session(request_.host, request_.verify));
  proxy_.reset();
  // Of the credentials and the key.
  wipe_stack_.start();
}

void Handshake::begin_tls(Result<std::unique_ptr<tls::Session>> session) {
  if (!session) return fail(DownReason::kTls, session.error().text());
  session_ = std::move(*session);
  session_->pin(std::move(request_.pins));
  phase_ = Phase::kTls;
  log_.debug("Performing SSL handshake with proxy server");
  start_.start();
}

void Handshake::do_tls() {
  const Io io = session_->handshake();
  if (io == Io::kClosed)
    return fail(DownReason::kLost, "the service ended the connection without a close frame");
  if (io == Io::kFailed)
    return fail(DownReason::kTls, "TLS handshake with " + authority_ + ": " + session_->error());
  if (io != Io::kDone) return wait(io);
  context_.forget_roots();
  log_.info("Successfully completed SSL handshake with proxy server");
  log_.debug("TLS: " + session_->description());
  begin_upgrade();
}

void Handshake::begin_upgrade() {
  std::array<uint8_t, 16> nonce{};
  tls::random_bytes(nonce);
  const std::string key = wire::base64(nonce);
  expected_accept_ = wire::base64(as_bytes(tls::websocket_accept(key)));
  const std::string host = authority_.substr(0, authority_.rfind(':'));
  const std::string port = std::to_string(request_.port);
  auto upgrade = wire::build_upgrade_request({.host = host,
                                              .port = port,
                                              .mode = request_.mode,
                                              .key = key,
                                              .subprotocol = request_.subprotocol,
                                              .access_token = request_.access_token.reveal(),
                                              .client_token = request_.client_token.reveal(),
                                              .user_agent = "localproxy/" LOCALPROXY_VERSION});
  request_.access_token.clear();
  request_.client_token.clear();
  if (!upgrade)
    return fail(DownReason::kCannotAsk, "the upgrade cannot be asked for: " + upgrade.error().text());
  upgrade_.emplace(HttpTransport(*session_), std::move(*upgrade), wire::HttpExchange::Success::kSwitching);
  phase_ = Phase::kUpgrade;
  do_upgrade();
}

void Handshake::do_upgrade() {
  for (;;) {
    switch (upgrade_->advance()) {
      case HttpClient::Step::kWantRead:
        return;
      case HttpClient::Step::kWantWrite:
        return watcher_.want_write(true);
      case HttpClient::Step::kSent:
        wipe_stack_.start();
        continue;
      case HttpClient::Step::kHead:
        log_head();
        if (!refused()) continue;
        log_channel_id();
        deadline_.start(limits::kCloseReply);
        continue;
      case HttpClient::Step::kAccepted:
        log_head();
        log_channel_id();
        return accept();
      case HttpClient::Step::kRefused:
        return refuse();
      case HttpClient::Step::kLost:
        if (upgrade_->error().empty())
          return fail(DownReason::kLost, "the service ended the connection without a close frame");
        return fail(DownReason::kLost, "connection with " + authority_ + ": " + upgrade_->error());
      case HttpClient::Step::kMalformed:
        return fail(DownReason::kProtocol, "the answer to the upgrade: " + upgrade_->error());
    }
  }
}

void Handshake::log_head() {
  const wire::HttpResponse& response = upgrade_->response();
  log_.debug(response.status_line);
  for (const std::string& header : response.shown_headers())
    log_.debug(header);
}

void Handshake::log_channel_id() {
  // The operators of the service ask for this id, most of all when something went wrong.
  const std::string channel_id = upgrade_->response().header("channel-id").value_or("");
  log_.info("Web socket session ID: " + (channel_id.empty() ? "(none given)" : channel_id));
}

void Handshake::accept() {
  const wire::HttpResponse& response = upgrade_->response();
  auto checked = wire::check_upgrade_response(response, expected_accept_, request_.subprotocol);
  if (!checked) return fail(DownReason::kProtocol, "the answer to the upgrade: " + checked.error().text());
  log_.info("Web socket subprotocol selected: " + request_.subprotocol);
  phase_ = Phase::kEnded;
  deadline_.stop();
  watcher_.want_read(false);
  watcher_.want_write(false);
  on_upgraded_({std::move(session_), authority_, upgrade_->rest()});
}

void Handshake::refuse() {
  const wire::HttpResponse& response = upgrade_->response();
  const int status = response.status;
  // 408 and 429 (RFC 9110, 15.5.9; RFC 6585, 4) are about the moment and not about the request.
  const bool final = status >= 400 && status < 500 && status != 408 && status != 429;
  fail({final ? DownReason::kRefused : DownReason::kRejected, response.retry_after(), 0,
        upgrade_->refusal_text()});
}

void Handshake::on_deadline() {
  if (phase_ == Phase::kProxy) return fail(proxy_->late());
  if (refused()) return refuse();
  const std::string what = phase_ == Phase::kTls ? "the TLS handshake" : "the upgrade";
  fail(DownReason::kLost, authority_ + " gives no answer to " + what);
}

void Handshake::wait(Io io) {
  if (io == Io::kWantWrite) watcher_.want_write(true);
}

void Handshake::fail(DownReason what, const std::string& text) {
  fail({what, 0, 0, text});
}

void Handshake::fail(ipc::Down end) {
  if (phase_ == Phase::kEnded) return;
  phase_ = Phase::kEnded;
  deadline_.stop();
  watcher_.want_read(false);
  watcher_.want_write(false);
  if (session_) session_->shutdown();
  end_ = std::move(end);
  report_failure_.start();
}

}  // namespace localproxy::net
