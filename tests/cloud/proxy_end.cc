// The write side, the timers and the end of a proxy's connection.

#include <errno.h>
#include <sys/socket.h>

#include <array>

#include "proxy.h"

namespace localproxy::service {

void Proxy::mark_dirty() {
  if (std::exchange(dirty_, true)) return;
  host_.mark_dirty(*this);
}

void Proxy::flush() {
  dirty_ = false;
  if (state_ == State::kDead || state_ == State::kLinger || blackhole_) return;
  output_.pass_on();
  if (output_.holds() && state_ == State::kOpen) timer_.after(output_.shape().hold);
  if (output_.broken()) return lost(tls_.error());
  const size_t before = tls_.queued();
  switch (tls_.send()) {
    case TlsStream::Status::kDone:
      write_event_.remove();
      break;
    case TlsStream::Status::kWant:
      write_event_.add();
      break;
    case TlsStream::Status::kEnd:
    case TlsStream::Status::kLost:
      return lost(tls_.error());
  }
  if (tls_.queued() != before) last_byte_ = Clock::now();
  if (state_ == State::kEnding && tls_.queued() == 0) return shut_down();
  if (state_ == State::kOpen && queued() < bounds::kOutputGo) {
    tunnel_->drained(side_);
    resume();
  }
}

void Proxy::check_idle(Clock::time_point now, std::chrono::milliseconds limit) {
  if (state_ != State::kOpen || paused() || held_back_ || now - last_byte_ < limit) return;
  host_.journal().log().info(who() + ": idle");
  close(static_cast<uint16_t>(CloseCode::kGoingAway), "Idle");
}

void Proxy::close(uint16_t code, std::string_view reason) {
  if (state_ != State::kOpen) return;
  output_.control_frame(Opcode::kClose, encode_close(code, reason));
  leave_tunnel();
  state_ = State::kClosing;
  // Resumes reading that a full queue had stopped, to see the answer; a black hole stays one.
  paused_ = false;
  watch_reading();
  timer_.after(bounds::kCloseReply);
  mark_dirty();
}

// No more frames in either direction.
void Proxy::end_tls() {
  output_.finish();
  tls_.end();
  state_ = State::kEnding;
  timer_.after(bounds::kLinger);
  mark_dirty();
}

// Closes our direction of TCP. Closing both while unread bytes wait would send a reset, and that could
// overtake what was just sent.
void Proxy::shut_down() {
  leave_tunnel();
  ::shutdown(tls_.fd(), SHUT_WR);
  state_ = State::kLinger;
  write_event_.remove();
  paused_ = blackhole_ = false;
  watch_reading();
  timer_.after(bounds::kLinger);
}

void Proxy::linger() {
  std::array<char, 16 * 1024> waste;
  for (;;) {
    const ssize_t got = ::recv(tls_.fd(), waste.data(), waste.size(), MSG_DONTWAIT);
    if (got > 0) continue;
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    return die();
  }
}

void Proxy::hang_up(End end) {
  switch (end) {
    case End::kReset: {
      const struct linger now { 1, 0 };
      ::setsockopt(tls_.fd(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
      return die();
    }
    case End::kFin:
      return shut_down();
    case End::kTls:
      leave_tunnel();
      return end_tls();
  }
}

void Proxy::leave_tunnel() {
  if (tunnel_ != nullptr) tunnel_->detach(side_, *this);
}

void Proxy::lost(std::string_view why) {
  // Sends the alert that explains a failed handshake, if there is one.
  if (state_ == State::kTls) tls_.send();
  if (state_ == State::kOpen || state_ <= State::kDrip) {
    host_.journal().log().info(who() + ": connection lost: " + std::string(why));
  }
  die();
}

void Proxy::die() {
  if (state_ == State::kDead) return;
  leave_tunnel();
  state_ = State::kDead;
  read_event_.cancel();
  write_event_.cancel();
  timer_.cancel();
  tls_.close();
  host_.bury(*this);
}

void Proxy::set_paused(bool paused) {
  paused_ = paused;
  if (paused) {
    watch_reading();
  } else {
    resume();
  }
}

void Proxy::set_blackhole(bool blackhole) {
  blackhole_ = blackhole;
  if (blackhole) {
    write_event_.remove();
    return watch_reading();
  }
  resume();
  mark_dirty();
}

void Proxy::send_raw(Bytes bytes) {
  output_.raw(bytes);
  mark_dirty();
}

void Proxy::ping(std::string_view payload) {
  output_.control_frame(Opcode::kPing, payload);
  mark_dirty();
}

bool Proxy::update_keys() {
  output_.finish();
  mark_dirty();
  return tls_.update_keys();
}

}  // namespace localproxy::service
