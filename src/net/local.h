// net's end of one connection's channel: bytes to and from the bridge, which has the local socket.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/fd.h"
#include "event/loop.h"
#include "net/tunnel.h"

namespace localproxy::net {

class Local;

// What a connection tells its owner, which must not destroy it during the call.
class LocalEvents {
 public:
  virtual ~LocalEvents() = default;
  // The channel has bytes, or its end: call read().
  virtual void on_readable(Local& local) = 0;
  // The local side takes nothing any more.
  virtual void on_broken(Local& local) = 0;
  // The backlog rose above limits::kConnectionBacklog, or fell below half of it.
  virtual void on_backlog(Local& local, bool full) = 0;
  // Nothing of a full backlog went for the stall limit, or after finish() for limits::kFlush.
  virtual void on_stalled(Local& local) = 0;
  // finish() has written everything.
  virtual void on_flushed(Local& local) = 0;
};

class Local {
 public:
  // stall: how long the backlog may be full before on_stalled(); 0: forever.
  Local(event::Loop& loop, Number number, uint16_t service, std::chrono::milliseconds stall,
        LocalEvents& events);
  Local(const Local&) = delete;
  Local& operator=(const Local&) = delete;

  Number number() const { return number_; }
  uint16_t service() const { return service_; }

  // The channel; until then what is written is kept. Not called twice.
  void attach(UniqueFd channel);
  bool attached() const { return channel_.valid(); }

  // Reads up to into.size() bytes. `end`: the local side has ended. 0 bytes without an end: nothing is there
  // now.
  size_t read(MutableBytes into, bool& end);
  void want_read(bool want);

  // Writes to the local side, or keeps what its channel does not take.
  void write(Bytes bytes);
  bool full() const { return full_; }
  // After on_stalled(): the same time once more.
  void wait_again();

  // Nothing follows: on_flushed() when the backlog is written, perhaps during this call.
  void finish();
  bool finishing() const { return finishing_; }

  // Set when the owner has given the connection up and waits to destroy it.
  bool dead = false;
  // The owner's queue of connections that wait for room in the tunnel.
  bool queued = false;
  // Its last read brought much.
  bool bulk = false;

 private:
  void on_writable();
  // Writes from the backlog. False: broken.
  bool flush();
  void update_full();
  size_t write_some(Bytes bytes, bool& broken);
  // Waits for room in the channel, or for memory.
  void watch_backlog();
  size_t backlog() const { return backlog_.size() - written_; }

  event::Loop& loop_;
  const Number number_;
  const uint16_t service_;
  const std::chrono::milliseconds stall_limit_;
  LocalEvents& events_;
  UniqueFd channel_;
  std::string backlog_;
  size_t written_ = 0;  // bytes at the front of backlog_ that have gone
  bool full_ = false;
  bool finishing_ = false;
  bool short_ = false;  // the kernel had no memory for the last write
  std::unique_ptr<event::Watcher> watcher_;
  event::Timer stall_;
  event::Timer retry_;  // after a shortage
};

}  // namespace localproxy::net
