#include "websocket.h"

#include <string.h>

#include "bounds.h"

namespace localproxy::service {
namespace {

Breach framing_breach(std::string reason, CloseCode code = CloseCode::kProtocolError) {
  return {code, std::move(reason)};
}

bool known(uint8_t opcode) {
  return opcode <= 0x2 || (opcode >= 0x8 && opcode <= 0xa);
}

// Codes that a close frame may carry (RFC 6455, 7.4, and the registry it founded).
bool may_be_sent(uint16_t code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

}  // namespace

std::variant<NeedMore, FrameHeader, Breach> decode_header(Bytes bytes) {
  if (bytes.empty()) return NeedMore{};
  const uint8_t first = bytes[0];
  if ((first & 0x70) != 0) return framing_breach("WebSocket: reserved bits are set");
  if (!known(first & 0x0f))
    return framing_breach("WebSocket: reserved opcode " + std::to_string(first & 0x0f));
  FrameHeader header;
  header.final = (first & 0x80) != 0;
  header.opcode = static_cast<Opcode>(first & 0x0f);
  if (header.opcode == Opcode::kText) return framing_breach("WebSocket: text frame", CloseCode::kUnsupported);
  if (is_control(header.opcode) && !header.final)
    return framing_breach("WebSocket: fragmented control frame");

  if (bytes.size() < 2) return NeedMore{};
  if ((bytes[1] & 0x80) == 0) return framing_breach("WebSocket: unmasked frame");
  const uint8_t length = bytes[1] & 0x7f;
  if (is_control(header.opcode) && length > bounds::kControlPayload) {
    return framing_breach("WebSocket: control frame of more than 125 bytes");
  }
  const size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
  if (bytes.size() < 2 + extended) return NeedMore{};
  uint64_t full = length;
  if (extended == 2) full = load_be<uint16_t>(&bytes[2]);
  if (extended == 8) full = load_be<uint64_t>(&bytes[2]);
  if ((extended == 2 && full < 126) || (extended == 8 && full <= 0xffff)) {
    return framing_breach("WebSocket: length " + std::to_string(full) + " is not in its shortest form");
  }
  if (full > bounds::kWebSocketPayload) {
    return framing_breach("WebSocket: frame of " + std::to_string(full) + " bytes, " +
                              std::to_string(bounds::kWebSocketPayload) + " are allowed",
                          CloseCode::kTooBig);
  }
  header.length = static_cast<size_t>(full);
  header.size = 2 + extended + 4;
  if (bytes.size() < header.size) return NeedMore{};
  memcpy(header.mask.data(), &bytes[2 + extended], 4);
  return header;
}

void unmask(MutableBytes payload, const std::array<uint8_t, 4>& mask) {
  // One block at a time and no array of them: a local array would be zeroed in each round
  // (-ftrivial-auto-var-init), which made this three times as slow.
  using Block = uint8_t __attribute__((vector_size(16)));
  Block key;
  for (size_t i = 0; i < sizeof key; ++i)
    key[i] = mask[i % 4];
  const auto turn = [&key](uint8_t* at) {
    Block block;
    memcpy(&block, at, sizeof block);
    block ^= key;
    memcpy(at, &block, sizeof block);
  };
  uint8_t* at = payload.data();
  size_t left = payload.size();
  for (; left >= 4 * sizeof key; at += 4 * sizeof key, left -= 4 * sizeof key) {
    turn(at);
    turn(at + sizeof key);
    turn(at + 2 * sizeof key);
    turn(at + 3 * sizeof key);
  }
  for (size_t i = 0; i < left; ++i)
    at[i] ^= mask[i % 4];
}

uint8_t* put_header_before(uint8_t* payload, size_t length, Opcode opcode, bool final) {
  const auto first = static_cast<uint8_t>((final ? 0x80 : 0) | static_cast<uint8_t>(opcode));
  uint8_t* begin = nullptr;
  if (length < 126) {
    begin = payload - 2;
    begin[1] = static_cast<uint8_t>(length);
  } else if (length <= 0xffff) {
    begin = payload - 4;
    begin[1] = 126;
    store_be(begin + 2, static_cast<uint16_t>(length));
  } else {
    begin = payload - 10;
    begin[1] = 127;
    store_be(begin + 2, static_cast<uint64_t>(length));
  }
  begin[0] = first;
  return begin;
}

std::optional<Breach> Fragmentation::note(Opcode opcode, bool final) {
  if (open_ && opcode != Opcode::kContinuation) {
    return framing_breach("WebSocket: a message begins inside a fragmented one");
  }
  if (!open_ && opcode == Opcode::kContinuation) return framing_breach("WebSocket: continuation of nothing");
  open_ = !final;
  return std::nullopt;
}

std::variant<Close, Breach> decode_close(Bytes payload) {
  if (payload.empty()) return Close{};
  if (payload.size() == 1) return framing_breach("WebSocket: close frame with half a code");
  Close close{load_be<uint16_t>(payload.data()), std::string(as_text(payload.subspan(2)))};
  if (!may_be_sent(close.code)) return framing_breach("WebSocket: close code " + std::to_string(close.code));
  if (!is_utf8(close.reason)) return framing_breach("WebSocket: close reason is not UTF-8");
  return close;
}

std::string encode_close(uint16_t code, std::string_view reason) {
  if (code == 0) return {};
  std::string payload{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)};
  payload += reason.substr(0, bounds::kControlPayload - 2);
  return payload;
}

bool is_utf8(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<uint8_t>(text[i]);
    const size_t more = lead < 0x80 ? 0 : lead >> 5 == 6 ? 1 : lead >> 4 == 14 ? 2 : lead >> 3 == 30 ? 3 : 4;
    if (more == 4 || text.size() - i <= more) return false;
    uint32_t code = more == 0 ? lead : lead & (0x3fU >> more);
    for (size_t k = 1; k <= more; ++k) {
      const auto byte = static_cast<uint8_t>(text[i + k]);
      if ((byte & 0xc0) != 0x80) return false;
      code = code << 6 | (byte & 0x3fU);
    }
    static constexpr std::array<uint32_t, 4> kLeast{0, 0x80, 0x800, 0x10000};
    if (code < kLeast[more] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return false;
    i += more + 1;
  }
  return true;
}

}  // namespace localproxy::service
