#include "bridge/local_connection.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "base/amount.h"
#include "base/limits.h"

namespace localproxy::bridge {
namespace {

// The byte counts are checked this often per idle timeout: it is noticed at most a quarter too late, and
// moving a byte costs nothing extra.
constexpr int kIdleTicks = 4;

void stop_watching(event::Watcher& watcher) {
  watcher.want_read(false);
  watcher.want_write(false);
}

const char* text_of(Ending ending) {
  switch (ending) {
    case Ending::kOpen:
      break;
    case Ending::kLocal:
      return "closed locally";
    case Ending::kPeer:
      return "closed by the other end";
    case Ending::kUnanswered:
      return "closed by the other end without an answer";
    case Ending::kTunnelLost:
      return "the tunnel was lost";
    case Ending::kReset:
      return "reset";
    case Ending::kIdle:
      return "idle";
    case Ending::kStopped:
      return "stopped";
  }
  return "open";
}

}  // namespace

LocalConnection::LocalConnection(event::Loop& loop, PipePool& pool, Pipes& pipes, uint32_t number,
                                 uint16_t service, FdPair channel, LocalConnectionEvents& events)
    : loop_(loop),
      number_(number),
      service_(service),
      events_(events),
      channel_(std::move(channel)),
      out_(pool),
      in_(pipes),
      answer_(loop, [this] { end_out(); }),
      retry_(loop, [this] { on_retry(); }),
      rest_(loop, [this] { on_rest(); }),
      linger_(loop, [this] { cut_ ? reset() : close(); }),
      sent_(loop, [this] { reset_when_sent(); }),
      quiet_(loop, [this] { on_quiet(); }),
      idle_(loop, [this] { on_idle_tick(); }) {}

void LocalConnection::connect(LocalSide local, std::chrono::seconds idle_timeout,
                              std::chrono::seconds half_close_linger) {
  local_ = std::move(local);
  half_close_linger_ = half_close_linger;
  connected_at_ = std::chrono::steady_clock::now();
  state_ = State::kOpen;
  linger_.stop();
  input_watcher_ = std::make_unique<event::Watcher>(
      loop_, local_.input.get(), [this] { on_input(); }, [] {});
  output_watcher_ = std::make_unique<event::Watcher>(
      loop_, output(), [] {}, [this] { pump_in(); });
  from_net_watcher_ = std::make_unique<event::Watcher>(
      loop_, channel_.first.get(), [this] { pump_in(); }, [] {});
  to_net_watcher_ = std::make_unique<event::Watcher>(
      loop_, channel_.second.get(), [] {}, [this] { pump_out(); });
  input_watcher_->want_read(true);
  watch_in(true);
  in_.begin(channel_.first.get());
  watch_size();
  idle_tick_ = std::chrono::milliseconds(idle_timeout) / kIdleTicks;
  if (idle_tick_.count() > 0) idle_.start(idle_tick_);
  if (draining_) pump_out();
}

void LocalConnection::on_idle_tick() {
  const uint64_t bytes = bytes_out() + bytes_in();
  idle_ticks_ = bytes == std::exchange(bytes_seen_, bytes) ? idle_ticks_ + 1 : 0;
  if (idle_ticks_ < kIdleTicks) return idle_.start(idle_tick_);
  if (state_ != State::kOpen) return;
  events_.on_idle(*this);
  note_ending(Ending::kIdle);
  end_out();
}

void LocalConnection::on_input() {
  if (state_ == State::kLingering) return discard_input();
  pump_out();
}

void LocalConnection::wait_for_resources(const std::string& shortage) {
  retry_.start(limits::kShortageRetry);
  if (!shortage.empty()) events_.on_shortage(shortage);
}

void LocalConnection::on_retry() {
  if (state_ != State::kOpen && state_ != State::kHalfClosed) return;
  pump_out();
  if (!in_.paused()) return;
  in_.resume();
  watch_in(true);
}

void LocalConnection::watch_size() {
  if (in_.grown() && !rest_.running()) rest_.start(limits::kPipeRest);
}

void LocalConnection::on_rest() {
  in_.rest(channel_.first.get());
  watch_size();
}

// ---- from the local side into the tunnel ----

void LocalConnection::pump_out() {
  if (state_ != State::kOpen) return;
  const uint64_t before = out_.bytes();
  const PooledPump::Outcome outcome = out_.run(local_.input.get(), channel_.second.get());
  if (out_.bytes() > before) in_at_last_out_ = in_.bytes();
  input_watcher_->want_read(outcome == PooledPump::Outcome::kWaitIn ||
                            outcome == PooledPump::Outcome::kAgain);
  to_net_watcher_->want_write(outcome == PooledPump::Outcome::kWaitOut);
  switch (outcome) {
    case PooledPump::Outcome::kWaitIn:
      // What the local side has sent may still be in its own kernel.
      if (draining_) quiet_.start(limits::kDrainQuiet);
      return;
    case PooledPump::Outcome::kWaitOut:
    case PooledPump::Outcome::kAgain:
      return;
    case PooledPump::Outcome::kShort:
      return wait_for_resources(out_.shortage());
    case PooledPump::Outcome::kEnd:
      return on_input_end();
    // net has closed the channel; the other pump finds out whether in order.
    case PooledPump::Outcome::kBroken:
      return end_out();
  }
}

// Only a write can tell whether the local side has closed just its sending direction or is gone. A local side
// that already has the answer to what it sent last is done in either case.
void LocalConnection::on_input_end() {
  note_ending(Ending::kLocal);
  const bool unanswered = out_.bytes() > 0 && in_.bytes() == in_at_last_out_;
  if (draining_ || !unanswered || out_.broke_off() || half_close_linger_.count() == 0) return end_out();
  answer_.start(half_close_linger_);
}

void LocalConnection::end_out() {
  answer_.stop();
  state_ = State::kHalfClosed;
  out_.clear();
  input_watcher_->want_read(false);
  to_net_watcher_->want_write(false);
  ::shutdown(channel_.second.get(), SHUT_WR);
}

void LocalConnection::drain() {
  draining_ = true;
  if (state_ == State::kOpen) pump_out();
}

void LocalConnection::on_quiet() {
  if (state_ != State::kOpen) return;
  cut_ = true;
  note_ending(Ending::kStopped);
  end_out();
}

// ---- from the tunnel to the local side ----

void LocalConnection::watch_in(bool on) {
  from_net_watcher_->want_read(on && !in_.waits_for_output());
  output_watcher_->want_write(on && in_.waits_for_output());
}

void LocalConnection::pump_in() {
  if (state_ != State::kOpen && state_ != State::kHalfClosed) return;
  const uint64_t before = in_.bytes();
  const Pump::Outcome outcome = in_.run(channel_.first.get(), output());
  if (answer_.running() && in_.bytes() > before) answer_.start(half_close_linger_);
  watch_in(outcome == Pump::Outcome::kWaits);
  switch (outcome) {
    case Pump::Outcome::kWaits:
      return watch_size();
    case Pump::Outcome::kStuck:
      return wait_for_resources({});
    case Pump::Outcome::kShort:
      return wait_for_resources(in_.shortage());
    case Pump::Outcome::kBroken:
      note_ending(Ending::kLocal);
      return close();
    case Pump::Outcome::kEnd:
      break;
  }
  // net sends FINISH before it closes the channel in order, but the message may not have been read yet.
  // Reading it may also bring a RESET.
  if (!finish_seen_) events_.on_channel_end();
  if (closed()) return;
  if (!finish_seen_) return reset(Ending::kTunnelLost);
  if (draining_) note_ending(Ending::kStopped);
  note_ending(local_.accepted && in_.bytes() == 0 ? Ending::kUnanswered : Ending::kPeer);
  if (draining_ && state_ == State::kOpen) cut_ = true;
  linger();
}

// Its watchers may be the caller, so they stay, but watch nothing.
void LocalConnection::close_channel() {
  rest_.stop();
  stop_watching(*from_net_watcher_);
  stop_watching(*to_net_watcher_);
  channel_ = FdPair();
}

// The local side has everything. Closing a socket with unread input would make the kernel reset the
// connection and drop what is still in flight, so this waits a while for the end of the input. A pipe or a
// terminal keeps what was written to it.
void LocalConnection::linger() {
  answer_.stop();
  close_channel();
  if (cut_) {
    state_ = State::kLingering;
    linger_.start(limits::kLinger);
    return reset_when_sent();
  }
  if (::shutdown(output(), SHUT_WR) != 0) return close();
  state_ = State::kLingering;
  linger_.start(limits::kLinger);
  output_watcher_->want_write(false);
  input_watcher_->want_read(true);
}

// A reset drops what is still in flight, so this waits until nothing is.
void LocalConnection::reset_when_sent() {
  if (!has_unsent()) return reset();
  sent_.start(limits::kSentPoll);
}

bool LocalConnection::has_unsent() const {
  int unsent = 0;
  return ::ioctl(output(), SIOCOUTQ, &unsent) == 0 && unsent > 0;
}

void LocalConnection::discard_input() {
  char buffer[16'384];
  const ssize_t size = ::read(local_.input.get(), buffer, sizeof buffer);
  if (size > 0) discarded_ += static_cast<size_t>(size);
  const bool waits = size > 0 || (size < 0 && (errno == EAGAIN || errno == EINTR));
  if (waits && (discarded_ <= limits::kLingerInput || has_unsent())) return;
  close();
}

// ---- the end ----

void LocalConnection::note_ending(Ending why) {
  if (ending_ == Ending::kOpen) ending_ = why;
}

std::string LocalConnection::summary() const {
  const auto open = std::chrono::steady_clock::now() - connected_at_;
  return local_.label + ": " + duration_text(std::chrono::duration_cast<std::chrono::milliseconds>(open)) +
         ", " + size_text(bytes_out()) + " sent, " + size_text(bytes_in()) + " received, " + text_of(ending_);
}

void LocalConnection::finish() {
  finish_seen_ = true;
  if (state_ != State::kDialing) return;
  if (Pipes::waiting(channel_.first.get()) == 0) return close();
  linger_.start(limits::kFlush);
}

void LocalConnection::reset(Ending why) {
  note_ending(why);
  reset();
}

void LocalConnection::reset() {
  if (connected()) {
    const struct linger at_once { 1, 0 };
    // A pipe has no reset: there the exit status tells.
    ::setsockopt(output(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  close();
}

void LocalConnection::close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  answer_.stop();
  retry_.stop();
  linger_.stop();
  sent_.stop();
  quiet_.stop();
  idle_.stop();
  rest_.stop();
  for (const auto& watcher : {&input_watcher_, &output_watcher_, &from_net_watcher_, &to_net_watcher_})
    if (*watcher) stop_watching(**watcher);
  // Its descriptors close when its owner destroys it.
  events_.on_closed(*this);
}

}  // namespace localproxy::bridge
