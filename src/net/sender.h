// The way into the tunnel: what connections and the tunnel have to send is framed in the outbox, in turn, and
// the link is asked to send it.
#pragma once

#include <deque>

#include "event/loop.h"
#include "net/outbox.h"

namespace localproxy::net {

class LocalChannel;

class Sender {
 public:
  // flush: sends what the outbox has. Called at the end of a turn of the loop, so that what is framed in one
  // turn leaves together.
  Sender(event::Loop& loop, event::Callback flush);

  // Whether a DATA message may be framed now. Not while the socket takes nothing: what is not framed yet can
  // still be overtaken by a keystroke.
  bool has_room() const { return outbox_.has_room() && !blocked_; }
  // Where a payload may be put. REQUIRES: has_room().
  MutableBytes payload_room() { return outbox_.payload_room(); }
  // Sends the first `size` bytes of payload_room(). REQUIRES: nothing else was called since payload_room().
  void send_data(const Route& route, size_t size);
  // Sends a message, whether there is room or not.
  void send(const wire::Message& message);
  // Sends a control frame, whether there is room or not.
  void send_control(wire::Opcode opcode, Bytes payload);

  // Calls channel.resume() when there is room again. A channel that sent little goes before those with much,
  // so that a keystroke does not wait behind a download.
  void wait_for_room(LocalChannel& channel);
  void stop_waiting(LocalChannel& channel);
  // The link has sent something: those that wait get their turn.
  void serve_waiting();
  // Whether the socket takes nothing now.
  void set_blocked(bool blocked) { blocked_ = blocked; }
  Outbox& outbox() { return outbox_; }

 private:
  Outbox outbox_;
  bool blocked_ = false;
  std::deque<LocalChannel*> waiting_;
  event::Task flush_;
};

}  // namespace localproxy::net
