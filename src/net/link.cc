#include "net/link.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "base/limits.h"

namespace localproxy::net {

using ipc::DownReason;
using tls::Io;

namespace {

// Bytes that are read from the tunnel before local sides get their turn. The buffer has room for one more
// record, so that most messages arrive in one piece.
constexpr size_t kInputTurn = 128 * 1024;
constexpr size_t kInputBuffer = kInputTurn + 16 * 1024;
// Fewer bytes than this are delivered at once, without asking the socket for more.
constexpr size_t kFewBytes = 4 * 1024;
// Rounds of sending and refilling the outbox before other descriptors get their turn.
constexpr int kFlushRounds = 4;

}  // namespace

Link::Link(event::Loop& loop, Log& log, Upgraded upgraded, std::chrono::milliseconds ping_period,
           Sender& sender, OnEarlyMessage on_early_message, OnEnd on_end)
    : log_(log),
      authority_(std::move(upgraded.authority)),
      ping_period_(ping_period),
      sender_(sender),
      on_early_message_(std::move(on_early_message)),
      session_(std::move(upgraded.session)),
      early_(std::move(upgraded.early)),
      liveness_(ping_period),
      watcher_(
          loop, session_->fd(), [this] { advance(); },
          [this] {
            watcher_.want_write(false);
            advance();
          }),
      close_deadline_(loop, [this] { end(end_); }),
      ping_timer_(loop, [this] { ping(); }),
      resume_(loop, [this] { read(); }),
      end_task_(loop, [this, on_end = std::move(on_end)] { on_end(end_); }) {
  log_.info("Successfully established websocket connection with proxy server: wss://" + authority_);
  log_.debug("Setting up web socket pings for every " + std::to_string(ping_period_.count()) +
             " milliseconds");
  ping_timer_.start(ping_period_);
  log_.debug("Starting web socket read loop continue reading...");
}

Link::~Link() = default;

void Link::start() {
  watcher_.want_read(!paused_);
  if (!early_.empty()) take(as_bytes(std::exchange(early_, {})));
  read();
}

void Link::advance() {
  flush();
  read();
}

// ---- reading ----

void Link::pause(bool paused) {
  if (paused_ == paused) return;
  paused_ = paused;
  if (state_ == State::kEnded) return;
  watcher_.want_read(!paused);
  // OpenSSL may hold records that the socket will not announce again.
  if (!paused) resume_.start(std::chrono::milliseconds(0));
}

void Link::read() {
  if (state_ == State::kEnded || paused_) return;
  if (!in_) in_ = std::make_unique_for_overwrite<uint8_t[]>(kInputBuffer);
  const MutableBytes in(in_.get(), kInputBuffer);
  size_t filled = 0;
  Io io = Io::kDone;
  while (filled < kInputTurn) {
    size_t size = 0;
    io = session_->read(in.subspan(filled), size);
    if (io != Io::kDone) break;
    filled += size;
    if (filled < kFewBytes && !session_->holds_input()) {
      io = Io::kWantRead;
      break;
    }
  }
  if (filled > 0) take(in.first(filled));
  if (state_ == State::kEnded) return;
  if (io != Io::kDone) return wait_or_end(io);
  resume_.start(std::chrono::milliseconds(0));
}

void Link::give_back() {
  in_.reset();
  sender_.outbox().give_back();
}

void Link::take(Bytes bytes) {
  liveness_.heard();
  auto taken = reader_.feed(bytes, *this);
  if (taken || state_ == State::kEnded) return;
  if (closing()) return end(end_);
  close(reader_.close_code(), {DownReason::kProtocol, 0, 0, taken.error().text()});
}

Result<> Link::on_data(Bytes bytes) {
  if (state_ != State::kOpen) return {};
  return splitter_.feed(bytes, [this](Bytes message) {
    return tunnel_ != nullptr ? tunnel_->receive(message) : on_early_message_(message);
  });
}

void Link::on_ping(Bytes payload) {
  if (sender_.outbox().has_room()) {
    sender_.send_control(wire::Opcode::kPong, payload);
  } else {
    // Only the latest ping needs an answer (RFC 6455, 5.5.3), so that pings cannot fill the memory.
    pong_ = as_text(payload);
  }
}

void Link::on_pong(Bytes) {
  liveness_.heard_pong();
}

void Link::on_close(uint16_t code, std::string_view reason) {
  if (closing()) return end(end_);
  // Best effort: the answer is lost if the socket does not take it at once.
  const uint16_t answer = code == wire::kCloseNoStatus ? uint16_t{wire::kCloseNormal} : code;
  sender_.send_control(wire::Opcode::kClose, as_bytes(wire::close_payload(answer, "")));
  flush();
  end({DownReason::kClosed, 0, code, std::string(reason)});
}

// ---- writing ----

void Link::flush() {
  for (int round = 0; round < kFlushRounds && state_ != State::kEnded; ++round) {
    const Io io = send();
    sender_.set_blocked(io == Io::kWantWrite);
    if (io != Io::kDone) return wait_or_end(io);
    if (pong_) sender_.send_control(wire::Opcode::kPong, as_bytes(*std::exchange(pong_, std::nullopt)));
    if (state_ == State::kOpen) sender_.serve_waiting();
    if (sender_.outbox().empty()) return;
  }
  if (state_ != State::kEnded && !sender_.outbox().empty()) watcher_.want_write(true);
}

// Sends everything in the outbox.
Io Link::send() {
  Outbox& outbox = sender_.outbox();
  while (!outbox.empty()) {
    size_t size = 0;
    if (const Io io = session_->write(outbox.pending(), size); io != Io::kDone) return io;
    outbox.consume(size);
  }
  return session_->flush();
}

void Link::ping() {
  ping_timer_.start(ping_period_);
  if (state_ != State::kOpen) return;
  const Liveness::Verdict verdict = liveness_.judge(sender_.outbox().messages(), paused_);
  if (verdict == Liveness::Verdict::kSilent ||
      (verdict == Liveness::Verdict::kQuiet && nothing_acknowledged())) {
    return end(DownReason::kLost, "nothing was heard from the service for " +
                                      std::to_string(limits::kDeadPeer.count() / 1000) + " seconds");
  }
  if (!sender_.outbox().has_room()) return;  // there is enough traffic
  sender_.send_control(wire::Opcode::kPing, {});
}

// A service whose kernel has acknowledged nothing for so long is not slow but gone. A peer with a full
// receive window still answers window probes.
bool Link::nothing_acknowledged() const {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(session_->fd(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return false;
  return (info.tcpi_unacked > 0 || info.tcpi_probes > 0) &&
         std::chrono::milliseconds(info.tcpi_last_ack_recv) >= limits::kDeadPeer;
}

// ---- the end ----

void Link::close(uint16_t code, ipc::Down end_with) {
  if (state_ == State::kEnded) return;
  end_ = std::move(end_with);
  if (closing()) return end(end_);
  state_ = State::kClosing;
  close_deadline_.start(limits::kCloseReply);
  sender_.send_control(wire::Opcode::kClose, as_bytes(wire::close_payload(code, end_.reason.value)));
  pause(false);
  flush();
}

void Link::wait_or_end(Io io) {
  switch (io) {
    case Io::kDone:
    case Io::kWantRead:
      return;
    case Io::kWantWrite:
      return watcher_.want_write(true);
    case Io::kClosed:
      if (closing()) return end(end_);
      return end(DownReason::kLost, "the service ended the connection without a close frame");
    case Io::kFailed:
      if (closing()) return end(end_);
      return end(DownReason::kLost, "connection with " + authority_ + ": " + session_->error());
  }
}

void Link::end(DownReason what, const std::string& reason) {
  end({what, 0, 0, reason});
}

void Link::end(ipc::Down with) {
  if (state_ == State::kEnded) return;
  state_ = State::kEnded;
  close_deadline_.stop();
  ping_timer_.stop();
  resume_.stop();
  watcher_.want_read(false);
  watcher_.want_write(false);
  session_->shutdown();
  end_ = std::move(with);
  end_task_.start();
}

}  // namespace localproxy::net
