// Errors that say that the kernel has, at this moment, none left of what a call makes or passes: descriptors,
// memory, processes.
//
// They pass by themselves, so nobody gives up because of one. But no descriptor becomes ready when they do,
// and whoever asked readiness would ask without end: what met such an error waits on a timer
// (limits::kShortageRetry), says so once, and once that it is over.
#pragma once

#include <cstddef>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace localproxy {

// Not EAGAIN: of a socket it means that the peer is busy, which readiness tells; of fork() see cannot_fork().
bool is_exhaustion(int error);

// What a person can do about it, in brackets behind the error: " (raise ...)". Empty for all other errors.
std::string_view remedy(int error);

// "WHAT: strerror (what to raise)" of a fork() that failed.
Error cannot_fork(const std::string& what, int error_number);

// Failures in a row for the same reason, of which the first is worth a line and the others are counted.
class Episode {
 public:
  // True: the first since it was last over.
  bool failed() { return failures_++ == 0; }
  // How many there were; 0: none.
  size_t over() { return std::exchange(failures_, 0); }
  bool lasts() const { return failures_ > 0; }

 private:
  size_t failures_ = 0;
};

}  // namespace localproxy
