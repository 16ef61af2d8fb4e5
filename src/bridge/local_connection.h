// One local connection: its local side, the bridge's ends of its channel, and the two pumps between them.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/fd.h"
#include "bridge/pooled_pump.h"
#include "bridge/pump.h"
#include "event/loop.h"

namespace localproxy::bridge {

class LocalConnection;

// What a connection tells its owner, which must not destroy it during the call.
class LocalConnectionEvents {
 public:
  virtual ~LocalConnectionEvents() = default;
  // The channel has ended. The owner reads the pending messages of net now: they decide what the end means.
  virtual void on_channel_end() = 0;
  // Nothing moved for the idle timeout; the connection now ends.
  virtual void on_idle(LocalConnection& connection) = 0;
  // The kernel has run out of a resource that moving bytes needs. The connection retries after a moment, and
  // calls this each time.
  virtual void on_shortage(const std::string& why) = 0;
  virtual void on_closed(LocalConnection& connection) = 0;
};

// Where a connection's bytes come from and go to on this machine.
struct LocalSide {
  UniqueFd input;
  UniqueFd output;        // not valid: input is a socket and takes both directions
  std::string name;       // for the log
  std::string label;      // for the log: "SSH #4", or "#4" if the service has no name
  bool accepted = false;  // a client that connected here, which waits for an answer
};

// Why a connection ended.
enum class Ending : uint8_t {
  kOpen,        // it has not
  kLocal,       // the local side ended, or takes no more
  kPeer,        // the other end of the tunnel ended it
  kUnanswered,  // the same, before it sent a byte to a client
  kTunnelLost,
  kReset,  // net gave it up: its local side took nothing for too long, or there was no room
  kIdle,
  kStopped,
};

class LocalConnection {
 public:
  // channel: the first is read, the second written.
  LocalConnection(event::Loop& loop, PipePool& pool, Pipes& pipes, uint32_t number, uint16_t service,
                  FdPair channel, LocalConnectionEvents& events);
  LocalConnection(const LocalConnection&) = delete;
  LocalConnection& operator=(const LocalConnection&) = delete;

  uint32_t number() const { return number_; }
  uint16_t service() const { return service_; }
  // For the log: where the local side is.
  const std::string& name() const { return local_.name; }
  bool connected() const { return local_.input.valid(); }
  bool closed() const { return state_ == State::kClosed; }
  uint64_t bytes_out() const { return out_.bytes(); }
  uint64_t bytes_in() const { return in_.bytes(); }

  // The local side is connected: bytes begin to move. If nothing moves for idle_timeout (0: no limit), the
  // connection ends as if the local side had ended it. If the local side ends before anything has answered
  // what it sent last, its end is passed on once nothing has arrived for half_close_linger (0: at once).
  void connect(LocalSide local, std::chrono::seconds idle_timeout,
               std::chrono::seconds half_close_linger = {});
  // net will send nothing after what the channel holds. If the channel holds bytes and the local side is not
  // connected yet, waits for it for limits::kFlush.
  void finish();
  bool finished() const { return finish_seen_; }
  // Whether it was ended here before the local side had ended.
  bool cut() const { return cut_; }
  // Closes at once; a connected socket is reset, so that its peer sees that bytes may be missing. why: unless
  // it was ending already.
  void reset(Ending why);
  // For the log: "SSH #4: 2 min 31 s, 18 kB sent, 211 kB received, closed locally".
  std::string summary() const;
  // Moves what has arrived from the local side, then sends its end. A local side that has not ended by itself
  // is flushed and then reset: it was cut off.
  void drain();

 private:
  enum class State : uint8_t {
    kDialing,     // no socket yet
    kOpen,        // bytes move both ways
    kHalfClosed,  // the local side has ended, or was ended: bytes move only to it
    kLingering,   // the tunnel's side has ended and was flushed; further input is dropped
    kClosed,
  };

  void note_ending(Ending why);
  void pump_out();
  void pump_in();
  void watch_in(bool on);
  void on_input();
  void wait_for_resources(const std::string& shortage);
  void on_retry();
  // Watches for a pipe that has grown and is no longer busy.
  void watch_size();
  void on_rest();
  void on_idle_tick();
  void on_quiet();
  int output() const { return local_.output ? local_.output.get() : local_.input.get(); }
  void on_input_end();
  void end_out();
  void close_channel();
  void linger();
  void reset();
  void reset_when_sent();
  void discard_input();
  bool has_unsent() const;
  void close();

  event::Loop& loop_;
  const uint32_t number_;
  const uint16_t service_;
  LocalConnectionEvents& events_;
  State state_ = State::kDialing;
  LocalSide local_;
  Ending ending_ = Ending::kOpen;
  std::chrono::steady_clock::time_point connected_at_;
  FdPair channel_;               // the first is read, the second written
  PooledPump out_;               // local side -> channel
  Pump in_;                      // channel -> local side
  uint64_t in_at_last_out_ = 0;  // in_.bytes() when the local side last sent something
  std::chrono::seconds half_close_linger_{0};
  event::Timer answer_;  // runs while waiting for an answer
  bool finish_seen_ = false;
  bool draining_ = false;
  size_t discarded_ = 0;  // bytes, while lingering
  bool cut_ = false;      // ended here, not by the local side
  std::unique_ptr<event::Watcher> input_watcher_;
  std::unique_ptr<event::Watcher> output_watcher_;
  std::unique_ptr<event::Watcher> from_net_watcher_;
  std::unique_ptr<event::Watcher> to_net_watcher_;
  event::Timer retry_;  // after a shortage
  event::Timer rest_;   // while the pipe is larger than an idle one
  event::Timer linger_;
  event::Timer sent_;   // until the next check for unsent bytes
  event::Timer quiet_;  // while draining: nothing arrives from the local side
  event::Timer idle_;
  std::chrono::milliseconds idle_tick_{0};
  int idle_ticks_ = 0;       // since bytes moved
  uint64_t bytes_seen_ = 0;  // of both directions, at the last tick
};

}  // namespace localproxy::bridge
