// How long to wait before the next tunnel connection: exponential, with jitter, so that a thousand proxies
// that lost the service together do not come back together.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "base/limits.h"

namespace localproxy::monitor {

class Backoff {
 public:
  explicit Backoff(std::chrono::milliseconds first) : first_(first), next_(first) {}

  // The wait before the next try: between half of the current delay and all of it, by `random`, which is
  // evenly distributed. The delay then doubles, up to limits::kBackoffMost.
  std::chrono::milliseconds next(uint32_t random) {
    const auto half = next_ / 2;
    const auto wait = half + std::chrono::milliseconds(half.count() == 0 ? 0 : random % half.count());
    next_ = std::max(first_, std::min(next_ * 2, limits::kBackoffMost));
    return wait;
  }
  // A connection was up long enough: start over with the first delay.
  void reset() { next_ = first_; }

 private:
  std::chrono::milliseconds first_;
  std::chrono::milliseconds next_;
};

}  // namespace localproxy::monitor
