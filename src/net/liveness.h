// Whether the service is still alive, judged once a ping period by what was received and sent since.
//
// A missing pong proves nothing when messages were sent before the ping: a slow peer holds them all up. So it
// counts only on an otherwise quiet tunnel. No descriptor and no clock.
#pragma once

#include <chrono>
#include <cstdint>
#include <utility>

#include "base/limits.h"

namespace localproxy::net {

class Liveness {
 public:
  explicit Liveness(std::chrono::milliseconds ping_period) : period_(ping_period) {}

  void heard() { heard_ = true; }
  // Silence counts only after a first pong.
  void heard_pong() { answers_pings_ = true; }
  enum class Verdict : uint8_t {
    kHeard,   // something was received since the last call
    kQuiet,   // nothing was received, which proves nothing yet
    kSilent,  // nothing was received for limits::kDeadPeer, although a pong was due
  };
  // Once a ping period. messages: how many have been framed so far; paused: the tunnel is not read.
  Verdict judge(uint64_t messages, bool paused) {
    const bool sent = std::exchange(messages_, messages) != messages;
    if (std::exchange(heard_, false)) {
      silent_ = std::chrono::milliseconds(0);
      behind_messages_ = false;
      return Verdict::kHeard;
    }
    // A ping behind messages waits with them for a slow peer, and so does its pong.
    behind_messages_ = behind_messages_ || sent;
    if (answers_pings_ && !paused && !behind_messages_) silent_ += period_;
    return silent_ >= limits::kDeadPeer ? Verdict::kSilent : Verdict::kQuiet;
  }

 private:
  const std::chrono::milliseconds period_;
  bool answers_pings_ = false;
  bool heard_ = false;            // any byte since the last ping
  bool behind_messages_ = false;  // messages were sent since anything was heard
  uint64_t messages_ = 0;
  std::chrono::milliseconds silent_{0};
};

}  // namespace localproxy::net
