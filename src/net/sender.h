// The sending side of the tunnel. It frames data and messages in the outbox, lets channels take turns, and
// asks the link to send.
#pragma once

#include <deque>

#include "event/loop.h"
#include "net/outbox.h"

namespace localproxy::net {

class LocalChannel;

class Sender {
 public:
  // flush: sends what is in the outbox. Called at the end of a turn of the loop, so that what is framed in
  // one turn leaves together.
  Sender(event::Loop& loop, event::Callback flush);

  // Whether a DATA message may be framed now. Not while the socket is full: a keystroke can still overtake
  // data that is not framed yet.
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
  // The link has sent something: waiting channels get their turn.
  void serve_waiting();
  // Tells the sender whether the socket is full.
  void set_blocked(bool blocked) { blocked_ = blocked; }
  Outbox& outbox() { return outbox_; }

 private:
  Outbox outbox_;
  bool blocked_ = false;
  std::deque<LocalChannel*> waiting_;
  event::Task flush_;
};

}  // namespace localproxy::net
