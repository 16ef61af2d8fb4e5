// Strict WebSocket framing for a server (RFC 6455, section 5), from bytes to values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "base/bytes.h"
#include "side.h"

namespace localproxy::service {

enum class Opcode : uint8_t {
  kContinuation = 0x0,
  kText = 0x1,
  kBinary = 0x2,
  kClose = 0x8,
  kPing = 0x9,
  kPong = 0xa,
};

constexpr bool is_control(Opcode opcode) {
  return static_cast<uint8_t>(opcode) >= 0x8;
}

struct FrameHeader {
  bool final = false;
  Opcode opcode = Opcode::kContinuation;
  size_t length = 0;  // of the payload
  std::array<uint8_t, 4> mask{};
  size_t size = 0;  // of the header
};

struct NeedMore {};

// Parses the header at the front of a client's bytes. A breach is reported as soon as its bytes are there.
std::variant<NeedMore, FrameHeader, Breach> decode_header(Bytes bytes);

// Removes the mask in place.
void unmask(MutableBytes payload, const std::array<uint8_t, 4>& mask);

// Writes the unmasked header of a server's frame so that it ends right before `payload`, and returns where it
// begins. REQUIRES: bounds::kHeadRoom writable bytes in front of payload.
uint8_t* put_header_before(uint8_t* payload, size_t length, Opcode opcode, bool final = true);

// Tracks messages that are split into several frames, and which frames may come next.
class Fragmentation {
 public:
  // Records a data frame.
  std::optional<Breach> note(Opcode opcode, bool final);

 private:
  bool open_ = false;
};

struct Close {
  uint16_t code = 0;  // 0: the frame had none
  std::string reason;
};

// Parses the payload of a close frame.
std::variant<Close, Breach> decode_close(Bytes payload);

// code 0: an empty payload. The reason is cut to what a control frame holds.
std::string encode_close(uint16_t code, std::string_view reason);

bool is_utf8(std::string_view text);

}  // namespace localproxy::service
