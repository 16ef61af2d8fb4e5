// The part of RFC 6455 that a client of this service needs: encoding and decoding of frames. No descriptor
// and no clock.
//
// Binary messages of the service carry a plain byte stream, so payload is handed on as it comes, without
// waiting for the end of a frame.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/result.h"

namespace localproxy::wire {

// The opcodes of RFC 6455, 5.2; the other numbers are reserved.
enum class Opcode : uint8_t {
  kContinuation = 0x0,
  kText = 0x1,
  kBinary = 0x2,
  kClose = 0x8,
  kPing = 0x9,
  kPong = 0xa,
};

// RFC 6455, 7.4.1.
enum CloseCode : uint16_t {
  kCloseNormal = 1000,
  kCloseGoingAway = 1001,
  kCloseProtocolError = 1002,
  kCloseUnsupportedData = 1003,
  kCloseNoStatus = 1005,  // never on the wire: a close frame without a code
  kCloseInvalidData = 1007,
  kCloseTooBig = 1009,
};

using MaskKey = std::array<uint8_t, 4>;

// Bytes of the header of a masked frame: 2, or 4, or 10 for the length, and 4 for the key.
inline constexpr size_t kMaxClientHeader = 14;
// The same without a key: the header of a server's frame.
inline constexpr size_t kMaxServerHeader = 10;
size_t client_header_size(size_t payload_size);

// Writes the header of an unfragmented, masked frame, client_header_size(payload_size) bytes.
// REQUIRES: payload_size <= limits::kMaxWebSocketPayload.
void write_client_header(uint8_t* at, Opcode opcode, size_t payload_size, const MaskKey& key);

// to[i] = from[i] ^ key[(offset + i) % 4] for size bytes; offset is that of the first byte in its frame's
// payload. `to` may be `from`, or lie in front of it (overlapping or not).
void mask(uint8_t* to, const uint8_t* from, size_t size, const MaskKey& key, size_t offset);

// The payload of a close frame: the code, then the reason, cut between two characters so that both have room
// in limits::kMaxControlPayload bytes. Nothing at all for kCloseNoStatus.
std::string close_payload(uint16_t code, std::string_view reason);

// What a reader reports of the frames of a server.
class WebSocketEvents {
 public:
  virtual ~WebSocketEvents() = default;
  // Part of the payload of a binary message; valid only during the call.
  virtual Result<> on_data(Bytes bytes) = 0;
  virtual void on_ping(Bytes payload) = 0;
  virtual void on_pong(Bytes payload) = 0;
  // code is kCloseNoStatus when the frame had none. Nothing follows it.
  virtual void on_close(uint16_t code, std::string_view reason) = 0;
};

// Reads what a server sends. Errors, each of which ends the connection: a masked frame, a reserved bit or
// opcode, text, a fragmented or oversized control frame, a continuation of nothing, a message begun inside
// another, a length not written in its shortest form, a payload above limits::kMaxWebSocketPayload, a close
// frame of one byte, with a code that must not be sent or a reason that is not UTF-8, anything after a close
// frame.
class WebSocketReader {
 public:
  // Takes all of bytes. After an error of the reader's own every further call fails.
  Result<> feed(Bytes bytes, WebSocketEvents& events);

  // The code that a close frame of ours should carry after feed() failed.
  uint16_t close_code() const { return close_code_; }

 private:
  Result<> fail(uint16_t code, std::string text);
  // True when the header that stands at the front of bytes is complete.
  bool take_header(Bytes& bytes);
  Result<> begin_frame();
  Result<> check_opcode();
  Result<> end_control(WebSocketEvents& events);

  std::array<uint8_t, kMaxServerHeader> header_{};
  size_t header_size_ = 0;
  Opcode opcode_ = Opcode::kContinuation;
  bool fin_ = true;
  bool in_frame_ = false;    // between a header and the end of its payload
  bool in_message_ = false;  // a data frame without FIN was seen, and not yet its last continuation
  bool closed_ = false;
  bool failed_ = false;  // where the next frame begins is no longer known
  uint64_t left_ = 0;    // bytes of payload that are still to come
  std::array<uint8_t, limits::kMaxControlPayload> control_{};
  size_t control_size_ = 0;
  uint16_t close_code_ = kCloseProtocolError;
};

}  // namespace localproxy::wire
