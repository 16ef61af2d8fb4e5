// The local side of one connection of the tunnel: its channel to the bridge, which has the local socket. The
// channel has a descriptor for each direction.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/fd.h"
#include "event/loop.h"
#include "net/connection.h"
#include "net/sender.h"

namespace localproxy::net {

class LocalChannel;

// What a channel tells its owner, which must not destroy it during the call.
class LocalChannelEvents {
 public:
  virtual ~LocalChannelEvents() = default;
  // The local side has ended, and everything that it sent is on its way.
  virtual void on_local_end(LocalChannel& channel) = 0;
  // The local side accepts no more bytes.
  virtual void on_broken(LocalChannel& channel) = 0;
  // The backlog rose above limits::kConnectionBacklog, or fell below half of it.
  virtual void on_backlog(LocalChannel& channel, bool full) = 0;
  // No byte of a full backlog was written for the stall limit, or after finish() for limits::kFlush.
  virtual void on_stalled(LocalChannel& channel) = 0;
  // finish() has written everything.
  virtual void on_flushed(LocalChannel& channel) = 0;
};

class LocalChannel : public Connection {
 public:
  // stall: how long the backlog may be full before on_stalled(); 0: forever. sender: what is read goes there
  // while the connection is open.
  LocalChannel(event::Loop& loop, ConnectionNumber number, uint16_t service, std::chrono::milliseconds stall,
               Sender& sender, LocalChannelEvents& events);
  ~LocalChannel() override;

  // Hands over the channel: the first descriptor is read, the second written. Delivered bytes are kept until
  // then. Called at most once. REQUIRES: both are valid.
  void attach(FdPair descriptors);
  bool attached() const { return descriptors_.second.valid(); }

  // Writes to the local side, or keeps what the channel does not take.
  void deliver(Bytes bytes) override;
  // No bytes follow. Calls on_flushed() when the backlog is written, perhaps during this call.
  void finish() override;
  bool finishing() const { return state_ == State::kFinishing; }
  // The owner will destroy it: it accepts no bytes and reports no events any more.
  void give_up();
  bool given_up() const { return state_ == State::kGivenUp; }

  // The backlog is above its limit.
  bool full() const { return full_; }
  // After on_stalled(): waits for the stall limit once more.
  void wait_again();

  // For the sender: whether its last read was large.
  bool sends_much() const { return sends_much_; }
  // For the sender: there is room again.
  void resume();

 private:
  enum class State : uint8_t { kCarrying, kFinishing, kGivenUp };

  void on_readable();
  // Reads up to into.size() bytes. `end`: the local side has ended. 0 bytes without an end: nothing is there
  // now.
  size_t read(MutableBytes into, bool& end);
  void want_read(bool want);
  void on_writable();
  // Writes from the backlog. False: broken.
  bool flush();
  void update_full();
  size_t write_some(Bytes bytes, bool& broken);
  // Waits for room in the channel, or for memory.
  void watch_backlog();
  size_t backlog() const { return backlog_.size() - written_; }

  event::Loop& loop_;
  const std::chrono::milliseconds stall_limit_;
  Sender& sender_;
  LocalChannelEvents& events_;
  State state_ = State::kCarrying;
  FdPair descriptors_;
  std::string backlog_;
  size_t written_ = 0;  // bytes at the front of backlog_ that were written
  bool full_ = false;
  bool short_ = false;  // the kernel had no memory for the last write
  bool waits_for_room_ = false;
  bool sends_much_ = false;
  std::unique_ptr<event::Watcher> read_watcher_;
  std::unique_ptr<event::Watcher> write_watcher_;
  event::Timer stall_;
  event::Timer retry_;  // after a shortage
};

}  // namespace localproxy::net
