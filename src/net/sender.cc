#include "net/sender.h"

#include <utility>

#include "net/local_channel.h"

namespace localproxy::net {

Sender::Sender(event::Loop& loop, event::Callback flush) : flush_(loop, std::move(flush)) {}

void Sender::send_data(const Route& route, size_t size) {
  outbox_.commit_data(route, size);
  flush_.start();
}

void Sender::send(const wire::Message& message) {
  outbox_.append(message);
  flush_.start();
}

void Sender::send_control(wire::Opcode opcode, Bytes payload) {
  outbox_.append_control(opcode, payload);
  flush_.start();
}

void Sender::wait_for_room(LocalChannel& channel) {
  if (channel.sends_much()) {
    waiting_.push_back(&channel);
  } else {
    waiting_.push_front(&channel);
  }
}

void Sender::stop_waiting(LocalChannel& channel) {
  std::erase(waiting_, &channel);
}

void Sender::serve_waiting() {
  while (!waiting_.empty() && has_room()) {
    LocalChannel& channel = *waiting_.front();
    waiting_.pop_front();
    channel.resume();
  }
}

}  // namespace localproxy::net
