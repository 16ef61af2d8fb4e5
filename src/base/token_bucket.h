// Limits how often something may happen: so many times a second in the long run, and so many in a burst.
#pragma once

#include <algorithm>
#include <chrono>

namespace localproxy {

class TokenBucket {
 public:
  using Clock = std::chrono::steady_clock;

  // REQUIRES: both above 0. The bucket starts full.
  TokenBucket(unsigned per_second, unsigned at_once)
      : per_second_(per_second), most_(at_once), tokens_(at_once) {}

  // Whether it may happen `count` times more now, so that it still may `kept` times. Times must not go
  // backwards.
  bool take(Clock::time_point now, double count = 1, double kept = 0) {
    if (started_) {
      const double seconds = std::chrono::duration<double>(now - last_).count();
      tokens_ = std::min(most_, tokens_ + seconds * per_second_);
    }
    started_ = true;
    last_ = now;
    if (tokens_ < count + kept) return false;
    tokens_ -= count;
    return true;
  }

 private:
  const double per_second_;
  const double most_;
  double tokens_;
  bool started_ = false;
  Clock::time_point last_;
};

}  // namespace localproxy
