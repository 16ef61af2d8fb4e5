// Moves bytes from a channel, a pipe, to its local side, in the kernel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/limits.h"
#include "bridge/pipes.h"

namespace localproxy::bridge {

// The direction out of the tunnel.
//
// It waits for its input or for its output, never for both. splice() says only that it can move nothing, and
// not which side is the reason. But the side that was waited for is ready, so it is the other one.
class Pump {
 public:
  explicit Pump(Pipes& pipes) : pipes_(pipes) {}
  ~Pump() { pipes_.forget(size_); }
  Pump(const Pump&) = delete;
  Pump& operator=(const Pump&) = delete;

  enum class Outcome : uint8_t {
    kWaits,   // for its input, or for its output: waits_for_output()
    kStuck,   // both sides say that they are ready, and nothing moves; only time helps
    kShort,   // the kernel has no memory for it now; shortage() says why, and only time helps
    kEnd,     // the pipe has ended, and everything has been written
    kBroken,  // `to` accepts no more bytes; some may be lost
  };
  // To be called before the first run(): a new connection gets limits::kPipe, since most of those that carry
  // much begin with it.
  void begin(int pipe) { grow(pipe, limits::kPipe); }
  // Moves bytes once. To be called when the side that it waits for is ready.
  Outcome run(int pipe, int to);

  bool waits_for_output() const { return waits_for_output_; }
  // kStuck or kShort was the last outcome.
  bool paused() const { return paused_; }
  // Begins again: waits for the pipe.
  void resume();
  const std::string& shortage() const { return shortage_; }

  uint64_t bytes() const { return bytes_; }
  // Whether the pipe has more room than an idle one.
  bool grown() const { return size_ > limits::kIdlePipe; }
  // To be called now and then while it has: gives the room back if little has moved since the last call.
  void rest(int pipe);

 private:
  Outcome on_nothing_moved(int error);
  void grow_if_busy(size_t moved, int pipe);
  void grow(int pipe, size_t size);

  Pipes& pipes_;
  size_t size_ = limits::kIdlePipe;  // of the pipe
  bool waits_for_output_ = false;
  bool turned_ = false;  // it waits for the other side since nothing could be moved
  bool paused_ = false;
  std::string shortage_;
  uint64_t bytes_ = 0;
  uint64_t bytes_at_rest_ = 0;  // bytes_ when the pipe was last found idle, or at the last rest()
};

}  // namespace localproxy::bridge
