#include "net/web_proxy.h"

#include <errno.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "base/address.h"
#include "base/limits.h"
#include "base/secret.h"
#include "build_config.h"
#include "wire/connect.h"

namespace localproxy::net {

using ipc::DownClass;
using tls::Io;

namespace {

// Answers of 1xx before the real one. Nobody sends more than one or two, and each keeps us in the loop.
constexpr int kMaxInterim = 8;
// Bytes of one read: most answers are shorter.
constexpr size_t kPiece = 4'096;

// Bytes of Proxy-Authenticate that are shown.
constexpr size_t kShownChallenge = 128;

constexpr const char* kHowToSay =
    "https_proxy=http://USER:PASSWORD@HOST:PORT, with every special character as %XX";

struct Refused {
  int status;
  DownClass what;
  const char* text;  // what the proxy does
};

// Statuses of their own words; the others are told by their first digit.
constexpr Refused kRefused[] = {
    {403, DownClass::kProxyRefused, "does not allow the connection to"},
    {407, DownClass::kProxyRefused, "wants to know who asks for the connection to"},
    {408, DownClass::kLost, "has not taken the request in time for"},
    {429, DownClass::kLost, "has had too many requests to connect to"},
    {502, DownClass::kLost, "cannot reach"},
    {503, DownClass::kLost, "cannot reach"},
    {504, DownClass::kLost, "cannot reach"},
};

Refused look_up(int status) {
  for (const Refused& row : kRefused)
    if (row.status == status) return row;
  const bool final = status >= 400 && status < 500;
  return {status, final ? DownClass::kProxyRefused : DownClass::kLost, "does not connect to"};
}

}  // namespace

WebProxy::WebProxy(tls::Context& context, Log& log, UniqueFd socket, ipc::Grant& grant)
    : context_(context),
      log_(log),
      socket_(std::move(socket)),
      name_("web proxy " + authority_of(grant.proxy_host.value, grant.proxy_port)),
      target_(authority_of(grant.host.value, grant.port)),
      has_credentials_(!grant.proxy_credentials.value.empty()),
      phase_(grant.proxy == ipc::ProxyKind::kHttps ? Phase::kTls : Phase::kRequest) {
  auto request = wire::build_connect_request({.authority = target_,
                                              .credentials = grant.proxy_credentials.value.reveal(),
                                              .user_agent = "localproxy/" LOCALPROXY_VERSION});
  grant.proxy_credentials.value.clear();
  if (!request) {
    fail(DownClass::kCannotAsk, "the " + name_ + " cannot be asked: " + request.error().text());
    return;
  }
  request_ = std::move(*request);
  if (phase_ != Phase::kTls) return;
  // Always verified: -k is about the service.
  auto session =
      tls::Session::create(context, std::move(socket_), grant.proxy_host.value, true, "https_proxy");
  if (session) {
    session_ = std::move(*session);
    log_.debug("TLS handshake with the " + name_);
  } else {
    fail(DownClass::kTls, "the " + name_ + ": " + session.error().text());
  }
}

WebProxy::~WebProxy() {
  wipe(request_);
}

Io WebProxy::advance() {
  switch (phase_) {
    case Phase::kTls:
      return do_tls();
    case Phase::kRequest:
      return send_request();
    case Phase::kResponse:
    case Phase::kRefusal:
      return read_response();
    case Phase::kDone:
      return Io::kDone;
    case Phase::kFailed:
      return Io::kFailed;
  }
  return Io::kFailed;
}

LinkEnd WebProxy::late() const {
  if (refused()) return {look_up(response_.response().status).what, 0, 0, refusal_text()};
  return {DownClass::kLost, 0, 0,
          "the " + name_ + " gives no answer to " +
              (phase_ == Phase::kTls ? "the TLS handshake" : "the request to connect to " + target_)};
}

Result<std::unique_ptr<tls::Session>> WebProxy::session(const std::string& host, bool verify) {
  if (session_) return tls::Session::create(context_, std::move(session_), host, verify);
  return tls::Session::create(context_, std::move(socket_), host, verify);
}

Io WebProxy::do_tls() {
  const Io io = session_->handshake();
  if (io == Io::kFailed || io == Io::kClosed)
    return fail(DownClass::kTls, "TLS handshake with the " + name_ + ": " + session_->error());
  if (io != Io::kDone) return io;
  log_.debug("TLS with the " + name_ + ": " + session_->description());
  phase_ = Phase::kRequest;
  return send_request();
}

Io WebProxy::send_request() {
  while (sent_ < request_.size()) {
    size_t size = 0;
    const Io io = write(as_bytes(request_).subspan(sent_), size);
    if (io == Io::kFailed || io == Io::kClosed) return fail(DownClass::kLost, broken());
    if (io != Io::kDone) return io;
    sent_ += size;
  }
  if (session_) {
    const Io io = session_->flush();
    if (io == Io::kFailed) return fail(DownClass::kLost, broken());
    if (io != Io::kDone) return io;
  }
  wipe(request_);
  log_.debug("asked the " + name_ + " to connect to " + target_);
  phase_ = Phase::kResponse;
  return read_response();
}

Io WebProxy::read_response() {
  std::array<uint8_t, kPiece> piece;
  while (phase_ == Phase::kResponse || phase_ == Phase::kRefusal) {
    size_t size = 0;
    const Io io = read(piece, size);
    if (io == Io::kClosed || io == Io::kFailed) {
      // A refusal without a length ends with the connection.
      return phase_ == Phase::kRefusal ? refuse() : fail(DownClass::kLost, broken());
    }
    if (io != Io::kDone) return io;
    on_bytes(Bytes(piece).first(size));
  }
  return phase_ == Phase::kDone ? Io::kDone : Io::kFailed;
}

void WebProxy::on_bytes(Bytes bytes) {
  while (phase_ == Phase::kResponse && !bytes.empty()) {
    auto complete = response_.feed(bytes);
    if (!complete) {
      fail(DownClass::kLost, "the answer of the " + name_ + " is none: " + complete.error().text());
    } else if (*complete) {
      on_response(bytes);
    }
  }
  if (phase_ == Phase::kRefusal && refusal_.take(response_.response(), bytes)) refuse();
}

void WebProxy::on_response(Bytes rest) {
  const wire::HttpResponse& response = response_.response();
  log_.debug("the " + name_ + " answers: " + response.status_line);
  for (const std::string& header : response.shown_headers())
    log_.debug(header);
  const int kind = response.status / 100;
  if (kind == 1 && response.status != 101 && ++interim_ <= kMaxInterim) {
    response_ = wire::ResponseReader();
    return;
  }
  if (kind != 2) {
    phase_ = Phase::kRefusal;
    return;
  }
  // A server of TLS waits for the client's first word, so these are nobody's that we asked for.
  if (!rest.empty()) {
    fail(DownClass::kLost, "the " + name_ + " sent bytes behind its answer, before the service was asked");
    return;
  }
  log_.info("the " + name_ + " has connected to " + target_);
  phase_ = Phase::kDone;
}

Io WebProxy::refuse() {
  const int status = response_.response().status;
  Io failed = fail(look_up(status).what, refusal_text());
  end_.retry_after = response_.response().retry_after();
  return failed;
}

std::string WebProxy::refusal_text() const {
  const wire::HttpResponse& response = response_.response();
  std::string text =
      "the " + name_ + " " + look_up(response.status).text + " " + target_ + ": " + refusal_.text(response);
  if (response.status == 403) text += "; whoever runs it has to allow CONNECT to that host and port";
  if (response.status != 407) return text;
  text += has_credentials_ ? "; it does not accept the user name and the password of https_proxy, given as "
                           : "; no user name and password were sent: give them as ";
  text += kHowToSay;
  const std::string offered = response.header("proxy-authenticate").value_or("");
  if (!offered.empty())
    text += " (it asks for " + offered.substr(0, kShownChallenge) + "; only Basic is known here)";
  return text;
}

Io WebProxy::read(MutableBytes into, size_t& size) {
  if (session_) return session_->read(into, size);
  const ssize_t got = ::read(socket_.get(), into.data(), into.size());
  if (got > 0) {
    size = static_cast<size_t>(got);
    return Io::kDone;
  }
  if (got == 0) return Io::kClosed;
  if (errno == EAGAIN || errno == EINTR) return Io::kWantRead;
  system_error_ = system_error("connection lost", errno).text();
  return Io::kFailed;
}

Io WebProxy::write(Bytes bytes, size_t& size) {
  if (session_) return session_->write(bytes, size);
  const ssize_t put = ::write(socket_.get(), bytes.data(), bytes.size());
  if (put >= 0) {
    size = static_cast<size_t>(put);
    return Io::kDone;
  }
  if (errno == EAGAIN || errno == EINTR) return Io::kWantWrite;
  system_error_ = system_error("connection lost", errno).text();
  return Io::kFailed;
}

std::string WebProxy::broken() const {
  const std::string why = session_ ? session_->error() : system_error_;
  return "the " + name_ + " ended the connection before it had answered" + (why.empty() ? "" : ": " + why);
}

Io WebProxy::fail(DownClass what, std::string reason) {
  phase_ = Phase::kFailed;
  wipe(request_);
  end_ = {what, 0, 0, std::move(reason)};
  return Io::kFailed;
}

}  // namespace localproxy::net
