// Owns one libevent event.
#pragma once

#include <event2/event.h>

#include <chrono>

namespace localproxy::service {

class Event {
 public:
  using Callback = void (*)(evutil_socket_t, short, void*);

  Event(event_base* base, int fd, short what, Callback callback, void* owner)
      : event_(event_new(base, fd, what, callback, owner)) {}
  ~Event() {
    if (event_ != nullptr) event_free(event_);
  }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void add() {
    if (!added_) event_add(event_, nullptr);
    added_ = true;
  }
  void remove() {
    if (added_) event_del(event_);
    added_ = false;
  }
  // Also cancels activate().
  void cancel() {
    event_del(event_);
    added_ = false;
  }
  // Starts a timer that fires once; another call restarts it.
  void after(std::chrono::milliseconds delay) {
    // timeval's fields are as wide as a register; a delay has 64 bits.
    const timeval time{static_cast<time_t>(delay.count() / 1000),
                       static_cast<suseconds_t>(delay.count() % 1000 * 1000)};
    event_add(event_, &time);
    added_ = true;
  }
  // Runs the callback in the next turn of the loop, whether or not the descriptor is ready.
  void activate(short what) { event_active(event_, what, 0); }

 private:
  event* event_;
  bool added_ = false;
};

}  // namespace localproxy::service
