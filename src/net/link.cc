#include "net/link.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "base/address.h"
#include "base/limits.h"
#include "build_config.h"
#include "wire/upgrade.h"

namespace localproxy::net {

using ipc::DownClass;
using tls::Io;

namespace {

// Bytes that are taken from the tunnel before local sides get their turn, and a record more: most messages
// then lie in one piece.
constexpr size_t kInputTurn = 128 * 1024;
constexpr size_t kInputBuffer = kInputTurn + 16 * 1024;
// Below this many bytes what was read is delivered at once, without asking the socket for more.
constexpr size_t kFewBytes = 4 * 1024;
// Rounds of writing and filling up before other descriptors get their turn.
constexpr int kFlushRounds = 4;

}  // namespace

Link::Link(event::Loop& loop, Log& log, tls::Context& context, LinkEvents& events)
    : loop_(loop),
      log_(log),
      context_(context),
      events_(events),
      deadline_(loop, [this] { on_deadline(); }),
      ping_timer_(loop, [this] { ping(); }),
      resume_(loop, [this] { read_tunnel(); }),
      flush_task_(loop, [this] { flush(); }),
      end_task_(loop, [this] { events_.on_end(end_); }),
      wipe_task_(loop, wipe_stack),
      in_(kInputBuffer) {}

Link::~Link() {
  wipe(request_);
}

// ---- until the tunnel is open ----

void Link::start(UniqueFd socket, ipc::Grant grant) {
  grant_ = std::move(grant);
  authority_ = authority_of(grant_.host.value, grant_.port);
  watch(socket.get());
  deadline_.start(limits::kNegotiation);
  if (grant_.proxy == ipc::ProxyKind::kNone)
    return begin_tls(
        tls::Session::create(context_, std::move(socket), grant_.host.value, grant_.verify != 0));
  proxy_ = std::make_unique<WebProxy>(context_, log_, std::move(socket), grant_);
  phase_ = Phase::kProxy;
  do_proxy();
}

void Link::watch(int fd) {
  watcher_ = std::make_unique<event::Watcher>(
      loop_, fd, [this] { advance(); },
      [this] {
        watcher_->want_write(false);
        advance();
      });
  watcher_->want_read(true);
}

void Link::do_proxy() {
  const bool knew = proxy_->refused();
  const Io io = proxy_->advance();
  if (io == Io::kFailed) return end(proxy_->end());
  if (proxy_->refused() && !knew) deadline_.start(limits::kCloseReply);
  if (io != Io::kDone) return wait_or_end(io);
  begin_tls(proxy_->session(grant_.host.value, grant_.verify != 0));
  proxy_.reset();
}

void Link::begin_tls(Result<std::unique_ptr<tls::Session>> session) {
  if (!session) return end(DownClass::kTls, session.error().text());
  session_ = std::move(*session);
  phase_ = Phase::kTls;
  log_.debug("Performing SSL handshake with proxy server");
  advance();
}

void Link::on_deadline() {
  if (phase_ == Phase::kClosing) return end(end_);
  if (phase_ == Phase::kProxy) return end(proxy_->late());
  if (phase_ == Phase::kRefusal) return refuse();
  const std::string what = phase_ == Phase::kTls ? "the TLS handshake" : "the upgrade";
  end(DownClass::kLost, authority_ + " gives no answer to " + what);
}

void Link::advance() {
  switch (phase_) {
    case Phase::kProxy:
      return do_proxy();
    case Phase::kTls:
      return do_tls();
    case Phase::kRequest:
      return send_request();
    case Phase::kResponse:
    case Phase::kRefusal:
      return read_response();
    case Phase::kOpen:
    case Phase::kClosing:
      flush();
      return read_tunnel();
    case Phase::kIdle:
    case Phase::kEnded:
      return;
  }
}

void Link::do_tls() {
  const Io io = session_->handshake();
  if (io == Io::kFailed)
    return end(DownClass::kTls, "TLS handshake with " + authority_ + ": " + session_->error());
  if (io != Io::kDone) return wait_or_end(io);
  context_.forget_roots();
  log_.info("Successfully completed SSL handshake with proxy server");
  log_.debug("TLS: " + session_->description());

  std::array<uint8_t, 16> nonce{};
  tls::random_bytes(nonce);
  const std::string key = wire::base64(nonce);
  accept_ = wire::base64(as_bytes(tls::websocket_accept(key)));
  const std::string host = authority_.substr(0, authority_.rfind(':'));
  const std::string port = std::to_string(grant_.port);
  auto request = wire::build_upgrade_request({.host = host,
                                              .port = port,
                                              .mode = grant_.source != 0 ? "source" : "destination",
                                              .key = key,
                                              .subprotocol = grant_.subprotocol.value,
                                              .access_token = grant_.access_token.value.reveal(),
                                              .client_token = grant_.client_token.value.reveal(),
                                              .user_agent = "localproxy/" LOCALPROXY_VERSION});
  grant_.access_token.value.clear();
  grant_.client_token.value.clear();
  if (!request)
    return end(DownClass::kCannotAsk, "the upgrade cannot be asked for: " + request.error().text());
  request_ = std::move(*request);
  phase_ = Phase::kRequest;
  send_request();
}

void Link::send_request() {
  while (request_sent_ < request_.size()) {
    size_t size = 0;
    const Io io = session_->write(as_bytes(request_).subspan(request_sent_), size);
    if (io != Io::kDone) return wait_or_end(io);
    request_sent_ += size;
  }
  if (const Io io = session_->flush(); io != Io::kDone) return wait_or_end(io);
  wipe(request_);
  wipe_task_.start();
  phase_ = Phase::kResponse;
  read_response();
}

void Link::read_response() {
  while (phase_ == Phase::kResponse || phase_ == Phase::kRefusal) {
    size_t size = 0;
    const Io io = session_->read(in_, size);
    if (io != Io::kDone) {
      // A refusal without a length ends with the connection.
      if (phase_ == Phase::kRefusal && (io == Io::kClosed || io == Io::kFailed)) return refuse();
      return wait_or_end(io);
    }
    Bytes bytes = Bytes(in_).first(size);
    if (phase_ == Phase::kRefusal) {
      read_refusal(bytes);
      continue;
    }
    auto complete = response_.feed(bytes);
    if (!complete) return end(DownClass::kProtocol, "the answer to the upgrade: " + complete.error().text());
    if (*complete) return on_response(bytes);
  }
}

void Link::on_response(Bytes rest) {
  const wire::HttpResponse& response = response_.response();
  log_.debug(response.status_line);
  for (const std::string& header : response.shown_headers())
    log_.debug(header);
  // The session's name is what the operators of the service ask for, most of all when something went wrong.
  const std::string channel_id = response.header("channel-id").value_or("");
  log_.info("Web socket session ID: " + (channel_id.empty() ? "(none given)" : channel_id));
  if (response.status != 101) {
    phase_ = Phase::kRefusal;
    deadline_.start(limits::kCloseReply);
    read_refusal(rest);
    return read_response();
  }
  auto checked = wire::check_upgrade_response(response, accept_, grant_.subprotocol.value);
  if (!checked) return end(DownClass::kProtocol, "the answer to the upgrade: " + checked.error().text());
  log_.info("Web socket subprotocol selected: " + grant_.subprotocol.value);
  open(rest);
}

void Link::read_refusal(Bytes bytes) {
  if (refusal_.take(response_.response(), bytes)) refuse();
}

void Link::refuse() {
  if (phase_ != Phase::kRefusal) return;
  const int status = response_.response().status;
  // 408 and 429 (RFC 9110, 15.5.9; RFC 6585, 4) are about the moment and not about the request.
  const bool refused = status >= 400 && status < 500 && status != 408 && status != 429;
  const wire::HttpResponse& response = response_.response();
  end({refused ? DownClass::kRefused : DownClass::kRejected, response.retry_after(), 0,
       refusal_.text(response)});
}

void Link::open(Bytes rest) {
  phase_ = Phase::kOpen;
  deadline_.stop();
  log_.info("Successfully established websocket connection with proxy server: wss://" + authority_);
  log_.debug("Setting up web socket pings for every " + std::to_string(grant_.ping_period_ms) +
             " milliseconds");
  ping_timer_.start(std::chrono::milliseconds(grant_.ping_period_ms));
  log_.debug("Starting web socket read loop continue reading...");
  std::string channel_id = response_.response().header("channel-id").value_or("");
  channel_id.resize(std::min(channel_id.size(), limits::kMaxChannelId));
  events_.on_open(channel_id);
  if (!rest.empty()) take(rest);
  read_tunnel();
}

// ---- reading ----

void Link::pause(bool paused) {
  if (paused_ == paused) return;
  paused_ = paused;
  if (!watcher_ || !established()) return;
  watcher_->want_read(!paused);
  // OpenSSL may hold records that the socket will not announce again.
  if (!paused) resume_.start(std::chrono::milliseconds(0));
}

void Link::read_tunnel() {
  if (!established() || paused_) return;
  size_t filled = 0;
  Io io = Io::kDone;
  while (filled < kInputTurn) {
    size_t size = 0;
    io = session_->read(MutableBytes(in_).subspan(filled), size);
    if (io != Io::kDone) break;
    filled += size;
    if (filled < kFewBytes && !session_->holds_input()) {
      io = Io::kWantRead;
      break;
    }
  }
  if (filled > 0) take(Bytes(in_).first(filled));
  if (!established()) return;
  if (io != Io::kDone) return wait_or_end(io);
  resume_.start(std::chrono::milliseconds(0));
}

void Link::take(Bytes bytes) {
  heard_ = true;
  auto taken = reader_.feed(bytes, *this);
  if (taken || phase_ == Phase::kEnded) return;
  if (phase_ == Phase::kClosing) return end(end_);
  close(reader_.close_code(), {DownClass::kProtocol, 0, 0, taken.error().text()});
}

Result<> Link::on_data(Bytes bytes) {
  if (phase_ != Phase::kOpen) return {};
  return events_.on_bytes(bytes);
}

void Link::on_ping(Bytes payload) {
  if (outbox_.has_room()) {
    outbox_.append_control(wire::Opcode::kPong, payload);
  } else {
    // Only the latest ping needs an answer (RFC 6455, 5.5.3), so that pings cannot fill the memory.
    pong_ = as_text(payload);
    has_pong_ = true;
  }
  flush_soon();
}

void Link::on_pong(Bytes) {
  heard_pong_ = true;
}

void Link::on_close(uint16_t code, std::string_view reason) {
  if (phase_ == Phase::kClosing) return end(end_);
  // The answer, as far as the socket takes it at once.
  const uint16_t answer = code == wire::kCloseNoStatus ? uint16_t{wire::kCloseNormal} : code;
  outbox_.append_control(wire::Opcode::kClose, as_bytes(wire::close_payload(answer, "")));
  flush();
  end({DownClass::kClosed, 0, code, std::string(reason)});
}

// ---- writing ----

void Link::flush_soon() {
  flush_task_.start();
}

void Link::flush() {
  for (int round = 0; round < kFlushRounds && established(); ++round) {
    const Io io = send();
    blocked_ = io == Io::kWantWrite;
    if (io != Io::kDone) return wait_or_end(io);
    if (has_pong_) {
      outbox_.append_control(wire::Opcode::kPong, as_bytes(pong_));
      has_pong_ = false;
    }
    if (phase_ == Phase::kOpen) events_.on_room();
    if (outbox_.empty()) return;
  }
  if (established() && !outbox_.empty()) watcher_->want_write(true);
}

// Everything that the outbox has.
Io Link::send() {
  while (!outbox_.empty()) {
    size_t size = 0;
    if (const Io io = session_->write(outbox_.pending(), size); io != Io::kDone) return io;
    outbox_.consume(size);
  }
  return session_->flush();
}

void Link::ping() {
  ping_timer_.start(std::chrono::milliseconds(grant_.ping_period_ms));
  if (phase_ != Phase::kOpen) return;
  if (is_dead()) {
    return end(DownClass::kLost, "nothing was heard from the service for " +
                                     std::to_string(limits::kDeadPeer.count() / 1000) + " seconds");
  }
  if (!outbox_.has_room()) return;  // there is traffic enough
  outbox_.append_control(wire::Opcode::kPing, {});
  flush_soon();
}

bool Link::is_dead() {
  const uint64_t messages = outbox_.messages();
  const bool sent = std::exchange(messages_seen_, messages) != messages;
  if (std::exchange(heard_, false)) {
    silent_ = std::chrono::milliseconds(0);
    behind_messages_ = false;
    return false;
  }
  // A ping that stands behind messages waits with them for a slow peer, and so does its answer.
  behind_messages_ = behind_messages_ || sent;
  if (heard_pong_ && !paused_ && !behind_messages_)
    silent_ += std::chrono::milliseconds(grant_.ping_period_ms);
  return silent_ >= limits::kDeadPeer || nothing_acknowledged();
}

// What the service's own system has not acknowledged for so long is not slow, it is gone. A peer that takes
// nothing at the moment still answers the probes of its window.
bool Link::nothing_acknowledged() const {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(session_->fd(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return false;
  return (info.tcpi_unacked > 0 || info.tcpi_probes > 0) &&
         std::chrono::milliseconds(info.tcpi_last_ack_recv) >= limits::kDeadPeer;
}

// ---- the end ----

void Link::close(uint16_t code, LinkEnd end_with) {
  if (phase_ == Phase::kEnded) return;
  end_ = std::move(end_with);
  if (phase_ != Phase::kOpen) return end(end_);
  phase_ = Phase::kClosing;
  deadline_.start(limits::kCloseReply);
  outbox_.append_control(wire::Opcode::kClose, as_bytes(wire::close_payload(code, end_.reason)));
  pause(false);
  flush();
}

void Link::wait_or_end(Io io) {
  switch (io) {
    case Io::kDone:
    case Io::kWantRead:
      return;
    case Io::kWantWrite:
      return watcher_->want_write(true);
    case Io::kClosed:
      if (phase_ == Phase::kClosing) return end(end_);
      return end(DownClass::kLost, "the service ended the connection without a close frame");
    case Io::kFailed:
      if (phase_ == Phase::kClosing) return end(end_);
      return end(DownClass::kLost, "connection with " + authority_ + ": " + session_->error());
  }
}

void Link::end(DownClass what, std::string reason) {
  end({what, 0, 0, std::move(reason)});
}

void Link::end(LinkEnd with) {
  if (phase_ == Phase::kEnded) return;
  phase_ = Phase::kEnded;
  deadline_.stop();
  ping_timer_.stop();
  resume_.stop();
  wipe(request_);
  if (watcher_) {
    watcher_->want_read(false);
    watcher_->want_write(false);
    if (session_) session_->shutdown();
  }
  end_ = std::move(with);
  end_task_.start();
}

}  // namespace localproxy::net
