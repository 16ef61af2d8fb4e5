// A channel in an event loop: reads messages, checks them against the table, and calls their handlers.
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
  // Why a port has ended.
  enum class End : uint8_t {
    kClosed,     // the peer closed its end, or died
    kViolation,  // it broke the table's rules
    kUnread,     // it does not read what is sent to it
  };
  using OnEnd = std::function<void(End end, const std::string& what)>;

  // Called with an errno (is_exhaustion()) when messages wait because the kernel has run out of a resource,
  // and with 0 when that is over.
  using OnShortage = std::function<void(int error)>;

  // on_end is called once, from the loop, and nothing after it.
  Port(event::Loop& loop, UniqueFd fd, Role self, Role peer, OnEnd on_end);

  void set_state(State state) { channel_.set_state(state); }

  // handler: void(const M&), void(M&), or with a UniqueFd or an FdPair as second argument when the message
  // carries one or two descriptors. They are not valid when this process had no room for them.
  template <typename M, typename Handler>
  void on(Handler handler) {
    handlers_[index(M::kType)] = [handler = std::move(handler)](Bytes fields, FdPair fds) mutable {
      M message;
      if (!decode_fields(fields, message)) return false;
      if constexpr (std::is_invocable_v<Handler, M&, FdPair>) {
        handler(message, std::move(fds));
      } else if constexpr (std::is_invocable_v<Handler, M&, UniqueFd>) {
        handler(message, std::move(fds.first));
      } else {
        handler(message);
      }
      return true;
    };
  }

  // Does not report a peer that is gone: reading does, after the peer's last messages.
  template <typename M>
  void send(const M& message, FdPair fds = {}) {
    if (ended_) return;
    if (auto sent = channel_.send(message, std::move(fds)); !sent && !channel_.peer_gone()) {
      return end_later(End::kUnread, sent.error().text());
    }
    watch_queue();
  }
  template <typename M>
  void send(const M& message, UniqueFd fd) {
    send(message, FdPair{std::move(fd), UniqueFd()});
  }
  // Optional: queued messages are sent in any case.
  void on_shortage(OnShortage callback) { on_shortage_ = std::move(callback); }
  bool is_short() const { return short_; }

  // Stops or resumes reading, which is on at first.
  void set_reading(bool on) {
    if (!ended_) watcher_.want_read(on);
  }
  // Handles now what has already arrived.
  void drain();
  // Stops receiving and sending for good, whatever the peer does.
  void give_up();
  // Messages that wait because the peer is busy.
  size_t queued() const { return channel_.queued(); }

 private:
  using RawHandler = std::function<bool(Bytes fields, FdPair fds)>;
  static size_t index(Type type) { return static_cast<size_t>(type) - 1; }
  void on_readable();
  void on_writable();
  bool handle_one();
  // Waits until the queue can move on: for the socket, or for a moment.
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
