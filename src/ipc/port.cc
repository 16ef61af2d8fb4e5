#include "ipc/port.h"

#include "base/limits.h"

namespace localproxy::ipc {
namespace {

// Messages that are handled before other descriptors get their turn.
constexpr int kBatch = 64;

}  // namespace

Port::Port(event::Loop& loop, UniqueFd fd, Role self, Role peer, OnEnd on_end)
    : channel_(std::move(fd), self, peer),
      on_end_(std::move(on_end)),
      retry_(loop, [this] { on_writable(); }),
      end_task_(loop, [this] { on_end_(end_, why_ended_); }),
      watcher_(
          loop, channel_.fd(), [this] { on_readable(); }, [this] { on_writable(); }) {
  watcher_.want_read(true);
}

void Port::on_readable() {
  for (int i = 0; i < kBatch && handle_one(); ++i) {
  }
}

void Port::drain() {
  while (handle_one()) {
  }
}

void Port::on_writable() {
  if (auto flushed = channel_.flush(); !flushed && !channel_.peer_gone()) {
    return end_later(End::kClosed, flushed.error().text());
  }
  watch_queue();
}

void Port::watch_queue() {
  watcher_.want_write(channel_.wants_write());
  const int error = channel_.shortage();
  if (error != 0 && !retry_.running()) retry_.start(limits::kShortageRetry);
  if ((error != 0) == short_) return;
  short_ = error != 0;
  if (on_shortage_) on_shortage_(error);
}

bool Port::handle_one() {
  if (ended_) return false;
  auto received = channel_.receive();
  if (!received) {
    end_later(channel_.is_violation() ? End::kViolation : End::kClosed, received.error().text());
    return false;
  }
  if (!received->has_value()) return false;
  Channel::Received& message = **received;
  const std::string name(message.spec->name);
  const bool secret = message.spec->secret;
  RawHandler& handler = handlers_[index(message.spec->type)];
  check(handler != nullptr, "no handler for " + name);
  const bool decoded = handler(message.fields, std::move(message.fds));
  if (secret) channel_.wipe_received();
  if (!decoded) end_later(End::kViolation, "the fields of " + name + " are wrong");
  return decoded;
}

void Port::give_up() {
  ended_ = true;
  retry_.stop();
  watcher_.want_read(false);
  watcher_.want_write(false);
}

void Port::end_later(End end, std::string what) {
  if (ended_) return;
  give_up();
  end_ = end;
  why_ended_ = std::move(what);
  end_task_.start();
}

}  // namespace localproxy::ipc
