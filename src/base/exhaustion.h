// Errors that mean that the kernel has run out of something for the moment: descriptors, memory, processes.
//
// Such a shortage passes by itself, so no caller gives up because of one. But no descriptor becomes ready
// when it passes, and waiting for readiness would spin. So the caller retries on a timer
// (limits::kShortageRetry), logs the shortage once, and logs once that it is over.
#pragma once

#include <cstddef>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace localproxy {

// EAGAIN is not one: from a socket it means that the peer is busy, which readiness reports. For fork() see
// cannot_fork().
bool is_exhaustion(int error);

// What an administrator can do about it, to append to the error: " (raise ...)". Empty for all other errors.
std::string_view remedy(int error);

// "WHAT: strerror (what to raise)" of a fork() that failed.
Error cannot_fork(const std::string& what, int error_number);

// A series of failures for the same reason: the first is worth a log line, the others are counted.
class Episode {
 public:
  // True for the first failure of the series.
  bool failed() { return failures_++ == 0; }
  // Ends the series and returns how many failures it had, perhaps 0.
  size_t over() { return std::exchange(failures_, 0); }
  bool lasts() const { return failures_ > 0; }

 private:
  size_t failures_ = 0;
};

}  // namespace localproxy
