#include "wire/websocket.h"

#include <string.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/text.h"

namespace localproxy::wire {
namespace {

// RFC 6455, 5.2: the bits of the first two bytes, and the two values of the second that say how wide the
// length is.
constexpr uint8_t kFin = 0x80;
constexpr uint8_t kReserved = 0x70;
constexpr uint8_t kOpcode = 0x0f;
constexpr uint8_t kControl = 0x08;
constexpr uint8_t kMasked = 0x80;
constexpr uint8_t kLength = 0x7f;
constexpr uint8_t kLength16 = 126;
constexpr uint8_t kLength64 = 127;

size_t length_bytes(uint8_t second) {
  const int length = second & kLength;
  return length == kLength16 ? 2 : length == kLength64 ? 8 : 0;
}

bool is_control(Opcode opcode) {
  return (static_cast<uint8_t>(opcode) & kControl) != 0;
}

// RFC 6455, 7.4: codes that mean something in a close frame. 1004 is unassigned, 1005, 1006 and 1015 are
// never sent, 1012 to 1014 were registered later, 3000 to 4999 belong to libraries and programs.
bool may_be_sent(uint16_t code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

}  // namespace

size_t client_header_size(size_t payload_size) {
  return 2 + (payload_size < kLength16 ? 0 : payload_size <= UINT16_MAX ? 2 : 8) + sizeof(MaskKey);
}

void write_client_header(uint8_t* at, Opcode opcode, size_t payload_size, const MaskKey& key) {
  check(payload_size <= limits::kMaxWebSocketPayload, "WebSocket payload of a wrong size");
  *at++ = static_cast<uint8_t>(kFin | static_cast<uint8_t>(opcode));
  if (payload_size < kLength16) {
    *at++ = static_cast<uint8_t>(kMasked | payload_size);
  } else if (payload_size <= UINT16_MAX) {
    *at++ = kMasked | kLength16;
    store_be(at, static_cast<uint16_t>(payload_size));
    at += 2;
  } else {
    *at++ = kMasked | kLength64;
    store_be(at, uint64_t{payload_size});
    at += 8;
  }
  memcpy(at, key.data(), key.size());
}

void mask(uint8_t* to, const uint8_t* from, size_t size, const MaskKey& key, size_t offset) {
  // GCC's and clang's vectors: SSE2, NEON or plain registers, as the architecture always has them.
  using Vector __attribute__((vector_size(16))) = uint8_t;
  Vector pad;
  for (size_t i = 0; i < sizeof pad; ++i)
    pad[i] = key[(offset + i) % key.size()];

  // Every block is read before it is written, and from front to back, so that `to` may trail `from`.
  size_t i = 0;
  for (; size - i >= 4 * sizeof(Vector); i += 4 * sizeof(Vector)) {
    Vector block[4];
    memcpy(block, from + i, sizeof block);
    for (Vector& part : block)
      part ^= pad;
    memcpy(to + i, block, sizeof block);
  }
  for (; i < size; ++i)
    to[i] = from[i] ^ pad[i % sizeof pad];
}

std::string close_payload(uint16_t code, std::string_view reason) {
  if (code == kCloseNoStatus) return {};
  size_t size = std::min(reason.size(), limits::kMaxControlPayload - sizeof code);
  // Does not cut inside a character: the reason has to stay UTF-8.
  while (size > 0 && size < reason.size() && (static_cast<uint8_t>(reason[size]) & 0xc0) == 0x80)
    --size;
  uint8_t number[sizeof code];
  store_be(number, code);
  std::string payload(as_text(number));
  payload += reason.substr(0, size);
  return payload;
}

Result<> WebSocketReader::feed(Bytes bytes, WebSocketEvents& events) {
  if (failed_) return fail(close_code_, "bytes after a WebSocket frame that broke the rules");
  while (!bytes.empty()) {
    if (closed_) return fail(kCloseProtocolError, "bytes after a WebSocket close frame");
    if (!in_frame_) {
      if (!take_header(bytes)) return {};
      if (Result<> begun = begin_frame(); !begun) return begun;
    }
    const Bytes part = bytes.first(static_cast<size_t>(std::min<uint64_t>(left_, bytes.size())));
    bytes = bytes.subspan(part.size());
    left_ -= part.size();
    if (is_control(opcode_)) {
      std::copy(part.begin(), part.end(), control_.begin() + static_cast<ptrdiff_t>(control_size_));
      control_size_ += part.size();
    } else if (!part.empty()) {
      if (Result<> taken = events.on_data(part); !taken) return taken;
    }
    if (left_ > 0) continue;
    in_frame_ = false;
    header_size_ = 0;
    if (!is_control(opcode_)) continue;
    if (Result<> ended = end_control(events); !ended) return ended;
  }
  return {};
}

bool WebSocketReader::take_header(Bytes& bytes) {
  while (!bytes.empty()) {
    header_[header_size_++] = bytes[0];
    bytes = bytes.subspan(1);
    if (header_size_ >= 2 && header_size_ == 2 + length_bytes(header_[1])) return true;
  }
  return false;
}

Result<> WebSocketReader::fail(uint16_t code, std::string text) {
  failed_ = true;
  close_code_ = code;
  return Error(std::move(text));
}

Result<> WebSocketReader::begin_frame() {
  const auto wrong = [this](std::string text) { return fail(kCloseProtocolError, std::move(text)); };
  if ((header_[0] & kReserved) != 0) return wrong("WebSocket frame with reserved bits");
  if ((header_[1] & kMasked) != 0) return wrong("WebSocket frame from the server that is masked");
  opcode_ = static_cast<Opcode>(header_[0] & kOpcode);
  fin_ = (header_[0] & kFin) != 0;
  left_ = header_[1] & kLength;
  control_size_ = 0;
  if (Result<> fits = check_opcode(); !fits) return fits;

  if (left_ == kLength16) {
    left_ = load_be<uint16_t>(&header_[2]);
    if (left_ < kLength16) return wrong("WebSocket frame whose length is not in its shortest form");
  } else if (left_ == kLength64) {
    left_ = load_be<uint64_t>(&header_[2]);
    if (left_ <= UINT16_MAX) return wrong("WebSocket frame whose length is not in its shortest form");
  }
  if (left_ > limits::kMaxWebSocketPayload) {
    return fail(kCloseTooBig, "WebSocket frame of " + std::to_string(left_) + " bytes, more than " +
                                  std::to_string(limits::kMaxWebSocketPayload));
  }
  in_frame_ = true;
  return {};
}

// Whether a frame of this opcode may come here. Control frames may come inside a fragmented message.
Result<> WebSocketReader::check_opcode() {
  const auto wrong = [this](std::string text) { return fail(kCloseProtocolError, std::move(text)); };
  switch (opcode_) {
    case Opcode::kContinuation:
      if (!in_message_) return wrong("WebSocket continuation frame outside a message");
      in_message_ = !fin_;
      return {};
    case Opcode::kBinary:
      if (in_message_) return wrong("WebSocket message begun inside another");
      in_message_ = !fin_;
      return {};
    case Opcode::kText:
      return fail(kCloseUnsupportedData, "WebSocket text message; the service sends binary ones only");
    case Opcode::kClose:
    case Opcode::kPing:
    case Opcode::kPong:
      if (!fin_) return wrong("WebSocket control frame that is fragmented");
      if (left_ > limits::kMaxControlPayload) {
        return wrong("WebSocket control frame of more than " + std::to_string(limits::kMaxControlPayload) +
                     " bytes");
      }
      return {};
  }
  return wrong("WebSocket frame with reserved opcode " + std::to_string(static_cast<int>(opcode_)));
}

// A control frame has arrived as a whole.
Result<> WebSocketReader::end_control(WebSocketEvents& events) {
  const Bytes payload = Bytes(control_).first(control_size_);
  if (opcode_ == Opcode::kPing) {
    events.on_ping(payload);
    return {};
  }
  if (opcode_ == Opcode::kPong) {
    events.on_pong(payload);
    return {};
  }
  closed_ = true;
  if (payload.empty()) {
    events.on_close(kCloseNoStatus, "");
    return {};
  }
  if (payload.size() == 1) return fail(kCloseProtocolError, "WebSocket close frame of one byte");
  const auto code = load_be<uint16_t>(payload.data());
  if (!may_be_sent(code)) {
    return fail(kCloseProtocolError, "WebSocket close frame with code " + std::to_string(code));
  }
  const Bytes reason = payload.subspan(sizeof code);
  if (!is_utf8(as_text(reason)))
    return fail(kCloseInvalidData, "WebSocket close frame whose reason is not UTF-8");
  events.on_close(code, as_text(reason));
  return {};
}

}  // namespace localproxy::wire
