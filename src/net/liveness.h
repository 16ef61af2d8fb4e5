// Whether the service still is there, judged once a ping period by what has come and gone since.
//
// A missing pong is no proof when messages stand in front of the ping: a slow far end holds them all up. So
// it counts only on a tunnel that is otherwise quiet. No descriptor and no clock.
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
  // From the first one on, silence means something.
  void heard_pong() { answers_pings_ = true; }
  enum class Verdict : uint8_t {
    kHeard,   // something came since the last time
    kQuiet,   // nothing came, which means nothing yet
    kSilent,  // nothing came for limits::kDeadPeer, although something should have
  };
  // Once a ping period. messages: how many were ever framed; paused: the tunnel is not read.
  Verdict judge(uint64_t messages, bool paused) {
    const bool sent = std::exchange(messages_, messages) != messages;
    if (std::exchange(heard_, false)) {
      silent_ = std::chrono::milliseconds(0);
      behind_messages_ = false;
      return Verdict::kHeard;
    }
    // A ping that stands behind messages waits with them for a slow peer, and so does its answer.
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
