#include "net/proxy_handshake.h"

#include <utility>

#include "base/address.h"
#include "build_config.h"
#include "wire/http_request.h"

namespace localproxy::net {

using ipc::DownReason;
using tls::Io;

namespace {

// Bytes of Proxy-Authenticate that are shown.
constexpr size_t kShownChallenge = 128;

constexpr const char* kHowToSay =
    "https_proxy=http://USER:PASSWORD@HOST:PORT, with every special character as %XX";

struct Refused {
  int status;
  DownReason what;
  const char* text;  // what the proxy does
};

// Statuses with a text of their own; for the others the first digit decides.
constexpr Refused kRefused[] = {
    {403, DownReason::kProxyRefused, "does not allow the connection to"},
    {407, DownReason::kProxyRefused, "wants to know who asks for the connection to"},
    {408, DownReason::kLost, "has not taken the request in time for"},
    {429, DownReason::kLost, "has had too many requests to connect to"},
    {502, DownReason::kLost, "cannot reach"},
    {503, DownReason::kLost, "cannot reach"},
    {504, DownReason::kLost, "cannot reach"},
};

Refused look_up(int status) {
  for (const Refused& row : kRefused)
    if (row.status == status) return row;
  const bool final = status >= 400 && status < 500;
  return {status, final ? DownReason::kProxyRefused : DownReason::kLost, "does not connect to"};
}

// The advice for status 407.
std::string how_to_identify(const wire::HttpResponse& response, bool has_credentials) {
  std::string text = has_credentials
                         ? "; it does not accept the user name and the password of https_proxy, given as "
                         : "; no user name and password were sent: give them as ";
  text += kHowToSay;
  const std::string offered = response.header("proxy-authenticate").value_or("");
  if (!offered.empty())
    text += " (it asks for " + offered.substr(0, kShownChallenge) + "; only Basic is known here)";
  return text;
}

}  // namespace

ProxyHandshake::ProxyHandshake(tls::Context& context, Log& log, UniqueFd socket, ProxyRequest& request,
                               std::string target)
    : context_(context),
      log_(log),
      socket_(std::move(socket)),
      name_("web proxy " + authority_of(request.host, request.port)),
      target_(std::move(target)),
      has_credentials_(!request.credentials.empty()),
      has_certificate_(!request.certificate.empty()),
      phase_(request.kind == ipc::ProxyKind::kHttps ? Phase::kTls : Phase::kConnect) {
  auto connect = wire::build_connect_request({.authority = target_,
                                              .credentials = request.credentials.reveal(),
                                              .user_agent = "localproxy/" LOCALPROXY_VERSION});
  request.credentials.clear();
  if (!connect) {
    fail(DownReason::kCannotAsk, "the " + name_ + " cannot be asked: " + connect.error().text());
    return;
  }
  if (phase_ == Phase::kTls) {
    // Always verified: -k concerns only the service.
    auto session = tls::Session::create(context, std::move(socket_), request.host, true, "https_proxy");
    if (!session) {
      fail(DownReason::kTls, "the " + name_ + ": " + session.error().text());
      return;
    }
    session_ = std::move(*session);
    if (has_certificate_) {
      auto presented = session_->present(request.certificate, request.key.reveal());
      request.key.clear();
      if (!presented) {
        fail(DownReason::kCannotAsk, "--proxy-cert: " + presented.error().text());
        return;
      }
    }
    log_.debug("TLS handshake with the " + name_);
  }
  client_.emplace(session_ ? HttpTransport(*session_) : HttpTransport(socket_.get()), std::move(*connect),
                  wire::HttpExchange::Success::kAny2xx);
}

Io ProxyHandshake::advance() {
  switch (phase_) {
    case Phase::kTls:
      return do_tls();
    case Phase::kConnect:
      return do_connect();
    case Phase::kDone:
      return Io::kDone;
    case Phase::kFailed:
      return Io::kFailed;
  }
  return Io::kFailed;
}

ipc::Down ProxyHandshake::late() const {
  if (refused()) return refusal();
  return {DownReason::kLost, 0, 0,
          "the " + name_ + " gives no answer to " +
              (phase_ == Phase::kTls ? "the TLS handshake" : "the request to connect to " + target_)};
}

Result<std::unique_ptr<tls::Session>> ProxyHandshake::session(const std::string& host, bool verify) {
  if (session_) return tls::Session::create(context_, std::move(session_), host, verify);
  return tls::Session::create(context_, std::move(socket_), host, verify);
}

Io ProxyHandshake::do_tls() {
  const Io io = session_->handshake();
  if (io == Io::kFailed || io == Io::kClosed)
    return fail(DownReason::kTls,
                "TLS handshake with the " + name_ + ": " + session_->error() + certificate_advice());
  if (io != Io::kDone) return io;
  log_.debug("TLS with the " + name_ + ": " + session_->description());
  phase_ = Phase::kConnect;
  return do_connect();
}

Io ProxyHandshake::do_connect() {
  for (;;) {
    switch (client_->advance()) {
      case HttpClient::Step::kWantRead:
        return Io::kWantRead;
      case HttpClient::Step::kWantWrite:
        return Io::kWantWrite;
      case HttpClient::Step::kSent:
        log_.debug("asked the " + name_ + " to connect to " + target_);
        continue;
      case HttpClient::Step::kHead:
        log_head();
        continue;
      case HttpClient::Step::kAccepted:
        log_head();
        return accept();
      case HttpClient::Step::kRefused:
        return refuse();
      case HttpClient::Step::kLost:
        return fail(DownReason::kLost, "the " + name_ + " ended the connection before it had answered" +
                                           (client_->error().empty() ? "" : ": " + client_->error()) +
                                           certificate_advice());
      case HttpClient::Step::kMalformed:
        return fail(DownReason::kLost, "the answer of the " + name_ + " is none: " + client_->error());
    }
  }
}

void ProxyHandshake::log_head() {
  const wire::HttpResponse& response = client_->response();
  log_.debug("the " + name_ + " answers: " + response.status_line);
  for (const std::string& header : response.shown_headers())
    log_.debug(header);
}

Io ProxyHandshake::accept() {
  // A TLS server waits for the client to speak first, so these bytes are not the service's.
  if (!client_->rest().empty())
    return fail(DownReason::kLost,
                "the " + name_ + " sent bytes behind its answer, before the service was asked");
  log_.info("the " + name_ + " has connected to " + target_);
  phase_ = Phase::kDone;
  return Io::kDone;
}

Io ProxyHandshake::refuse() {
  phase_ = Phase::kFailed;
  end_ = refusal();
  return Io::kFailed;
}

// Also works while the reason is still arriving.
ipc::Down ProxyHandshake::refusal() const {
  const wire::HttpResponse& response = client_->response();
  const Refused refused = look_up(response.status);
  std::string text = "the " + name_ + " " + refused.text + " " + target_ + ": " + client_->refusal_text();
  if (response.status == 403) text += "; whoever runs it has to allow CONNECT to that host and port";
  if (response.status == 407) text += how_to_identify(response, has_credentials_);
  return {refused.what, response.retry_after(), 0, text};
}

// A proxy that has not got the certificate that it wants may end the connection without a word.
std::string ProxyHandshake::certificate_advice() const {
  if (!session_ || !session_->was_asked()) return "";
  return has_certificate_
             ? "; it may not trust the certificate of --proxy-cert, which it was shown"
             : "; it has asked for a client certificate, which --proxy-cert and --proxy-key would show";
}

Io ProxyHandshake::fail(DownReason what, const std::string& reason) {
  phase_ = Phase::kFailed;
  client_.reset();
  end_ = {what, 0, 0, reason};
  return Io::kFailed;
}

}  // namespace localproxy::net
