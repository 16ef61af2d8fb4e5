#include "net/local.h"

#include <errno.h>
#include <unistd.h>

#include <utility>

#include "base/exhaustion.h"
#include "base/limits.h"

namespace localproxy::net {

Local::Local(event::Loop& loop, Number number, uint16_t service, std::chrono::milliseconds stall,
             LocalEvents& events)
    : loop_(loop),
      number_(number),
      service_(service),
      stall_limit_(stall),
      events_(events),
      stall_(loop, [this] { events_.on_stalled(*this); }),
      retry_(loop, [this] { on_writable(); }) {}

void Local::attach(UniqueFd channel) {
  channel_ = std::move(channel);
  watcher_ = std::make_unique<event::Watcher>(
      loop_, channel_.get(), [this] { events_.on_readable(*this); }, [this] { on_writable(); });
  watcher_->want_read(true);
  on_writable();
}

size_t Local::read(MutableBytes into, bool& end) {
  end = false;
  ssize_t size = 0;
  do {
    size = ::read(channel_.get(), into.data(), into.size());
  } while (size < 0 && errno == EINTR);
  if (size > 0) return static_cast<size_t>(size);
  end = size == 0 || errno != EAGAIN;
  return 0;
}

void Local::want_read(bool want) {
  if (watcher_) watcher_->want_read(want);
}

size_t Local::write_some(Bytes bytes, bool& broken) {
  if (!channel_) return 0;
  ssize_t size = 0;
  do {
    size = ::write(channel_.get(), bytes.data(), bytes.size());
  } while (size < 0 && errno == EINTR);
  // A UNIX socket has room and says ENOBUFS when there is no memory for a packet.
  short_ = size < 0 && is_exhaustion(errno);
  if (size >= 0) return static_cast<size_t>(size);
  broken = errno != EAGAIN && !short_;
  return 0;
}

void Local::write(Bytes bytes) {
  if (dead) return;
  bool broken = false;
  if (backlog() == 0) bytes = bytes.subspan(write_some(bytes, broken));
  if (broken) return events_.on_broken(*this);
  if (bytes.empty()) return;
  backlog_.append(as_text(bytes));
  watch_backlog();
  update_full();
}

void Local::wait_again() {
  stall_.start(stall_limit_);
}

void Local::finish() {
  finishing_ = true;
  want_read(false);
  // Without a channel yet, even an empty connection waits for it, so that the bridge hears of its end after
  // its start.
  if (attached() && backlog() == 0) return events_.on_flushed(*this);
  stall_.start(limits::kFlush);
}

void Local::on_writable() {
  if (dead) return;
  if (!flush()) return events_.on_broken(*this);
  watch_backlog();
  update_full();
  if (finishing_ && backlog() == 0) events_.on_flushed(*this);
}

void Local::watch_backlog() {
  if (!watcher_) return;
  watcher_->want_write(backlog() > 0 && !short_);
  if (short_) retry_.start(limits::kShortageRetry);
}

bool Local::flush() {
  bool broken = false;
  while (backlog() > 0) {
    const size_t size = write_some(as_bytes(backlog_).subspan(written_), broken);
    if (broken) return false;
    if (size == 0) break;
    written_ += size;
    // What takes a little now and then is slow, not stuck.
    if (stall_.running()) stall_.start(finishing_ ? limits::kFlush : stall_limit_);
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

void Local::update_full() {
  const bool now =
      full_ ? backlog() > limits::kConnectionBacklog / 2 : backlog() > limits::kConnectionBacklog;
  if (now == full_) return;
  full_ = now;
  if (finishing_) return events_.on_backlog(*this, full_);
  if (full_ && stall_limit_.count() > 0) {
    stall_.start(stall_limit_);
  } else {
    stall_.stop();
  }
  events_.on_backlog(*this, full_);
}

}  // namespace localproxy::net
