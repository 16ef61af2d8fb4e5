// A channel in an event loop: reads messages, holds them against the table, and calls the handler of each.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>

#include "base/log.h"
#include "event/loop.h"
#include "ipc/channel.h"

namespace localproxy::ipc {

class Port {
 public:
  // Why a port has ended: the peer closed its end (or died), or it broke the table's rules.
  enum class End : uint8_t { kClosed, kViolation };
  using OnEnd = std::function<void(End end, const std::string& what)>;

  // Told when messages wait because the kernel has run out of something, and why (errno; is_exhaustion()),
  // and with 0 when it is over.
  using OnShortage = std::function<void(int error)>;

  // on_end is called once, from the loop, and nothing after it.
  Port(event::Loop& loop, UniqueFd fd, Role self, Role peer, OnEnd on_end);

  void set_state(State state) { channel_.set_state(state); }

  // handler: void(const M&), void(M&), or with a UniqueFd as second argument when the message carries a
  // descriptor, which is not valid when this process had no room for it.
  template <typename M, typename Handler>
  void on(Handler handler) {
    handlers_[index(M::kType)] = [handler = std::move(handler)](Bytes fields, UniqueFd fd) mutable {
      M message;
      if (!decode_fields(fields, message)) return false;
      if constexpr (std::is_invocable_v<Handler, M&, UniqueFd>) {
        handler(message, std::move(fd));
      } else {
        handler(message);
      }
      return true;
    };
  }

  // A peer that is gone is noticed by reading, after what it said before: there is nothing to do about it
  // here.
  template <typename M>
  void send(const M& message, UniqueFd fd = UniqueFd()) {
    if (ended_) return;
    if (auto sent = channel_.send(message, std::move(fd)); !sent && !channel_.peer_gone()) {
      return end_later(End::kClosed, sent.error().text());
    }
    watch_queue();
  }
  // Whoever does not set it is not told; what waits is sent all the same.
  void on_shortage(OnShortage callback) { on_shortage_ = std::move(callback); }
  bool is_short() const { return short_; }

  // Stops and goes on reading; reading is on at the beginning.
  void set_reading(bool on) {
    if (!ended_) watcher_.want_read(on);
  }
  // Handles, now, whatever has already arrived.
  void drain();
  // Hears and says nothing any more, whatever the peer does.
  void give_up();
  // Messages that wait because the peer is busy.
  size_t queued() const { return channel_.queued(); }

 private:
  using RawHandler = std::function<bool(Bytes fields, UniqueFd fd)>;
  static size_t index(Type type) { return static_cast<size_t>(type) - 1; }
  void on_readable();
  void on_writable();
  bool handle_one();
  // Waits for what lets the queue move on: the socket, or time.
  void watch_queue();
  void end_later(End end, std::string what);

  Channel channel_;
  OnEnd on_end_;
  std::array<RawHandler, static_cast<size_t>(Type::kLast)> handlers_;
  OnShortage on_shortage_;
  bool short_ = false;
  event::Timer retry_;
  bool ended_ = false;
  End end_ = End::kClosed;
  std::string why_ended_;
  event::Task end_task_;
  event::Watcher watcher_;
};

}  // namespace localproxy::ipc
