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

// All pipes of a user share a limit of slots (fs.pipe-user-pages-soft), used or not. So a pipe through
// which little goes becomes small, and one through which much goes large.
class Pipes {
 public:
  // The pipe has limits::kPipe, or less when the user has too many.
  Result<ChannelEnds> make();
  // Gives a pipe room for `size` bytes. False: there are limits::kMostBulkPipes of limits::kBulkPipe already,
  // or the kernel refused, or has done so within limits::kPipeRefused for this size or a smaller one. The
  // pipe then works as before.
  bool grow(int pipe, size_t size);
  // Gives the room of a pipe of `size` bytes back. False: too much is in the pipe.
  bool shrink(int pipe, size_t size);
  // A pipe of `size` bytes is about to be closed.
  void forget(size_t size);
  // Bytes that wait in a pipe.
  static size_t waiting(int pipe);

 private:
  size_t bulk_ = 0;     // pipes of limits::kBulkPipe
  size_t refused_ = 0;  // the smallest size that was refused, or 0
  std::chrono::steady_clock::time_point refused_until_;
};

}  // namespace localproxy::bridge
