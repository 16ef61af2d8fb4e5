// Moves bytes from a local side into its channel, a socket, through a pipe and in the kernel.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/limits.h"
#include "base/result.h"

namespace localproxy::bridge {

// A pipe and the bytes that it has room for.
struct Pipe {
  FdPair fds;
  size_t size = limits::kPipe;
};

// A pool of empty pipes. A connection needs a pipe only while bytes are in flight.
class PipePool {
 public:
  Result<Pipe> take();
  // Makes sure that the next take() gets one.
  Result<> reserve();
  // REQUIRES: the pipe is empty.
  void give_back(Pipe pipe);
  // Closes the idle pipes: all tunnels of a user share the kernel's limit of pipe buffers.
  void clear() { idle_.clear(); }
  // Grows a pipe to limits::kBulkPipe, if the kernel allows it.
  void grow(Pipe& pipe);

 private:
  std::vector<Pipe> idle_;
  bool refused_ = false;  // the kernel does not let a pipe grow
};

// The direction into the tunnel.
//
// A pipe as the channel would spare one splice. But it wakes its writer as soon as a page of it is free, and
// a UNIX socket only when it is three quarters empty: with a pipe the bridge moves fewer bytes at a time,
// more often, and costs twice as much.
class PooledPump {
 public:
  explicit PooledPump(PipePool& pool) : pool_(pool) {}

  enum class Outcome : uint8_t {
    kWaitIn,   // there was nothing to read, or little, so that there is hardly more
    kWaitOut,  // the other side is full
    kAgain,    // there may be more, but others want their turn
    kShort,    // the kernel has no pipe or no memory for it now; shortage() says why, and only time helps
    kEnd,      // `from` has ended, in order or not, and everything has been written
    kBroken,   // `to` accepts no more bytes; some may be lost
  };
  // Moves what can be moved now.
  Outcome run(int from, int to);
  // Empty: the last call had none.
  const std::string& shortage() const { return shortage_; }

  uint64_t bytes() const { return bytes_; }
  // After kEnd: `from` was reset, and not closed in order.
  bool broke_off() const { return broke_off_; }
  // Drops the bytes in the pipe.
  void clear();

 private:
  bool ensure_pipe();
  // Reads into the empty pipe.
  void fill(int from);
  Outcome drain(int to);

  PipePool& pool_;
  Pipe pipe_;
  size_t held_ = 0;  // bytes in the pipe
  bool ended_ = false;
  bool broke_off_ = false;
  std::string shortage_;
  uint64_t bytes_ = 0;
};

}  // namespace localproxy::bridge
