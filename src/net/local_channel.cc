#include "net/local_channel.h"

#include <errno.h>
#include <unistd.h>

#include <utility>

#include "base/exhaustion.h"
#include "base/limits.h"

namespace localproxy::net {

LocalChannel::LocalChannel(event::Loop& loop, ConnectionNumber number, uint16_t service,
                           std::chrono::milliseconds stall, Sender& sender, LocalChannelEvents& events)
    : Connection(number, service),
      loop_(loop),
      stall_limit_(stall),
      sender_(sender),
      events_(events),
      stall_(loop, [this] { events_.on_stalled(*this); }),
      retry_(loop, [this] { on_writable(); }) {}

LocalChannel::~LocalChannel() {
  if (waits_for_room_) sender_.stop_waiting(*this);
}

void LocalChannel::attach(FdPair descriptors) {
  descriptors_ = std::move(descriptors);
  read_watcher_ = std::make_unique<event::Watcher>(
      loop_, descriptors_.first.get(), [this] { on_readable(); }, [] {});
  write_watcher_ = std::make_unique<event::Watcher>(
      loop_, descriptors_.second.get(), [] {}, [this] { on_writable(); });
  want_read(true);
  on_writable();
}

void LocalChannel::on_readable() {
  if (state_ != State::kCarrying) return;
  if (!open()) return want_read(false);
  if (!sender_.has_room()) {
    want_read(false);
    if (!std::exchange(waits_for_room_, true)) sender_.wait_for_room(*this);
    return;
  }
  bool end = false;
  const size_t size = read(sender_.payload_room(), end);
  if (size > 0) {
    sends_much_ = size >= limits::kBulkRead;
    sender_.send_data(route_data(), size);
  }
  if (end) events_.on_local_end(*this);
}

void LocalChannel::resume() {
  waits_for_room_ = false;
  if (state_ != State::kCarrying) return;
  want_read(true);
  on_readable();
}

size_t LocalChannel::read(MutableBytes into, bool& end) {
  end = false;
  ssize_t size = 0;
  do {
    size = ::read(descriptors_.first.get(), into.data(), into.size());
  } while (size < 0 && errno == EINTR);
  if (size > 0) return static_cast<size_t>(size);
  end = size == 0 || errno != EAGAIN;
  return 0;
}

void LocalChannel::want_read(bool want) {
  if (read_watcher_) read_watcher_->want_read(want);
}

size_t LocalChannel::write_some(Bytes bytes, bool& broken) {
  if (!attached()) return 0;
  ssize_t size = 0;
  do {
    size = ::write(descriptors_.second.get(), bytes.data(), bytes.size());
  } while (size < 0 && errno == EINTR);
  // A pipe with room fails with ENOMEM when there is no memory for a page.
  short_ = size < 0 && is_exhaustion(errno);
  if (size >= 0) return static_cast<size_t>(size);
  broken = errno != EAGAIN && !short_;
  return 0;
}

void LocalChannel::deliver(Bytes bytes) {
  if (given_up()) return;
  bool broken = false;
  if (backlog() == 0) bytes = bytes.subspan(write_some(bytes, broken));
  if (broken) return events_.on_broken(*this);
  if (bytes.empty()) return;
  backlog_.append(as_text(bytes));
  watch_backlog();
  update_full();
}

void LocalChannel::wait_again() {
  stall_.start(stall_limit_);
}

void LocalChannel::finish() {
  if (state_ != State::kCarrying) return;
  state_ = State::kFinishing;
  want_read(false);
  // Even an empty connection waits for its channel, so that the bridge hears of its end after its start.
  if (attached() && backlog() == 0) return events_.on_flushed(*this);
  stall_.start(limits::kFlush);
}

void LocalChannel::give_up() {
  state_ = State::kGivenUp;
}

void LocalChannel::on_writable() {
  if (given_up()) return;
  if (!flush()) return events_.on_broken(*this);
  watch_backlog();
  update_full();
  if (finishing() && backlog() == 0) events_.on_flushed(*this);
}

void LocalChannel::watch_backlog() {
  if (!write_watcher_) return;
  write_watcher_->want_write(backlog() > 0 && !short_);
  if (short_) retry_.start(limits::kShortageRetry);
}

bool LocalChannel::flush() {
  bool broken = false;
  if (backlog() > 0) {
    const size_t size = write_some(as_bytes(backlog_).subspan(written_), broken);
    if (broken) return false;
    written_ += size;
    // A short write has filled the pipe. A reader that takes a little now and then is slow, not stuck.
    if (size > 0 && stall_.running()) stall_.start(finishing() ? limits::kFlush : stall_limit_);
  }
  if (backlog() == 0) {
    // Gives the memory back: an idle connection keeps nothing.
    std::string().swap(backlog_);
    written_ = 0;
  } else if (written_ > backlog_.size() / 2) {
    backlog_.erase(0, written_);
    written_ = 0;
  }
  return true;
}

void LocalChannel::update_full() {
  const bool now =
      full_ ? backlog() > limits::kConnectionBacklog / 2 : backlog() > limits::kConnectionBacklog;
  if (now == full_) return;
  full_ = now;
  if (finishing()) return events_.on_backlog(*this, full_);
  if (full_ && stall_limit_.count() > 0) {
    stall_.start(stall_limit_);
  } else {
    stall_.stop();
  }
  events_.on_backlog(*this, full_);
}

}  // namespace localproxy::net
