// Drives an event loop from a test until something has happened.
#pragma once

#include <event2/event.h>

#include <chrono>
#include <functional>

#include "event/loop.h"

namespace localproxy::test {

// Runs the loop until done() is true. False: that took longer than any machine should need.
inline bool run_until(event::Loop& loop, const std::function<bool()>& done,
                      std::chrono::milliseconds most = std::chrono::seconds(20)) {
  bool late = false;
  event::Timer limit(loop, [&late] { late = true; });
  limit.start(most);
  while (!done() && !late)
    event_base_loop(loop.base(), EVLOOP_ONCE);
  return done();
}

// Handles all events that are ready, without waiting.
inline void run_ready(event::Loop& loop) {
  // Several turns, because a handler may start a Task.
  for (int i = 0; i < 8; ++i)
    event_base_loop(loop.base(), EVLOOP_NONBLOCK);
}

}  // namespace localproxy::test
