#include "bridge/pump.h"

#include <errno.h>

#include <algorithm>

#include "base/exhaustion.h"

namespace localproxy::bridge {
Pump::Outcome Pump::run(int pipe, int to) {
  // No more than the pipe holds: asked for more, Linux 6.5 and later takes every 16th piece of the pipe for
  // one that more follows, and TCP keeps the end of it back for 200 ms. At least one byte, since only
  // splice() tells that the pipe has ended.
  const ssize_t moved = move_bytes(pipe, to, std::max<size_t>(Pipes::waiting(pipe), 1));
  if (moved == 0) return Outcome::kEnd;
  if (moved < 0) return on_nothing_moved(errno);
  turned_ = false;
  bytes_ += static_cast<uint64_t>(moved);
  grow_if_busy(static_cast<size_t>(moved), pipe);
  return Outcome::kWaits;
}

Pump::Outcome Pump::on_nothing_moved(int error) {
  if (error == EAGAIN) {
    paused_ = turned_;
    if (paused_) return Outcome::kStuck;
    turned_ = true;
    waits_for_output_ = !waits_for_output_;
    return Outcome::kWaits;
  }
  // A pipe has no errors to read.
  if (!is_exhaustion(error)) return Outcome::kBroken;
  paused_ = true;
  shortage_ = system_error("splice", error).text();
  return Outcome::kShort;
}

void Pump::resume() {
  paused_ = false;
  turned_ = false;
  waits_for_output_ = false;
}

void Pump::grow_if_busy(size_t moved, int pipe) {
  if (size_ >= limits::kBulkPipe) return;
  if (size_ >= limits::kPipe) {
    if (moved >= limits::kBulkSplice) grow(pipe, limits::kBulkPipe);
  } else if (bytes_ - bytes_at_rest_ >= limits::kBulkSplice) {
    grow(pipe, limits::kPipe);
    bytes_at_rest_ = bytes_;
  }
}

void Pump::grow(int pipe, size_t size) {
  if (pipes_.grow(pipe, size)) size_ = size;
}

void Pump::rest(int pipe) {
  const bool busy = bytes_ - bytes_at_rest_ >= limits::kBulkSplice;
  bytes_at_rest_ = bytes_;
  if (!busy && grown() && pipes_.shrink(pipe, size_)) size_ = limits::kIdlePipe;
}

}  // namespace localproxy::bridge
