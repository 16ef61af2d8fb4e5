// Framed and masked bytes that wait to be encrypted: one flat buffer, filled at its end and emptied at its
// front.
//
// A DATA payload is read from its channel straight into the buffer, behind room for the headers, and framed
// there: the only copy between the local socket's kernel buffer and TLS.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/limits.h"
#include "net/connection.h"
#include "wire/message.h"
#include "wire/websocket.h"

namespace localproxy::net {

class Outbox {
 public:
  bool empty() const { return begin_ == end_; }
  size_t size() const { return end_ - begin_; }
  // Messages framed so far.
  uint64_t messages() const { return messages_; }
  // Whether there is room for one more DATA message (limits::kTunnelOutputBudget). Waiting bytes are not
  // moved to make room: the buffer is soon empty, and starts at its front again.
  bool has_room() const { return capacity() - end_ >= kMessageRoom; }

  // Frees its memory until it is needed again, unless bytes wait.
  void give_back();

  // Room for a payload of up to limits::kMaxPayload bytes. Valid until the next call of any other function.
  // REQUIRES: has_room().
  MutableBytes payload_room();
  // Frames the first `size` bytes of payload_room() as one DATA message in one masked WebSocket frame.
  // REQUIRES: 0 < size <= limits::kMaxPayload, nothing else was called since payload_room().
  void commit_data(const Route& route, size_t size);

  // Appends a message as one masked frame, whether there is room or not.
  void append(const wire::Message& message);
  // Appends a control frame, whether there is room or not.
  void append_control(wire::Opcode opcode, Bytes payload);

  Bytes pending() const { return {buffer_.data() + begin_, size()}; }
  void consume(size_t size);

 private:
  // The most bytes that a DATA message has around its payload, WebSocket header included.
  static constexpr size_t kMaxAround = 14 + 19 + 137;
  static constexpr size_t kMessageRoom = kMaxAround + 64'512;

  // Bytes that the buffer has, or gets with the first payload.
  size_t capacity() const { return std::max(buffer_.size(), limits::kTunnelOutputBudget); }
  wire::MaskKey next_key();
  // Makes `size` bytes available behind end_, by moving what is there to the front, or by growing.
  void reserve(size_t size);

  std::vector<uint8_t> buffer_;  // small until there is a payload: pings alone need little
  size_t begin_ = 0;
  size_t end_ = 0;
  uint64_t messages_ = 0;
  std::array<uint8_t, 4 * 256> keys_{};
  size_t next_key_ = keys_.size();
};

}  // namespace localproxy::net
