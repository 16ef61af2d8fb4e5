// What the channels of connections are made of: a socketpair into the tunnel, and a pipe out of it, whose
// size follows what goes through it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>

#include "base/fd.h"
#include "base/result.h"

namespace localproxy::bridge {

// The ends of a channel: the first of each pair reads, the second writes.
struct ChannelEnds {
  FdPair bridge;
  FdPair net;
};

// Moves up to `size` bytes between a pipe and another descriptor, in the kernel. What splice() returns.
ssize_t move_bytes(int from, int to, size_t size);

// All pipes of a user share a limit of slots (fs.pipe-user-pages-soft), used or not. So a pipe is small until
// much goes through it.
class Pipes {
 public:
  // The pipe has limits::kIdlePipe.
  Result<ChannelEnds> make();
  // Gives a pipe room for `size` bytes. False: the kernel refused, or has done so within limits::kPipeRefused
  // for this size or a smaller one. The pipe then works as before.
  bool grow(int pipe, size_t size);
  // Gives the room back. False: too much is in the pipe.
  static bool shrink(int pipe);
  // Bytes that wait in a pipe.
  static size_t waiting(int pipe);

 private:
  size_t refused_ = 0;  // the smallest size that was refused, or 0
  std::chrono::steady_clock::time_point refused_until_;
};

}  // namespace localproxy::bridge
