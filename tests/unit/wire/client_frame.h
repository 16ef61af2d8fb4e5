// Builds a client's frame at once, from the pieces that the outbox writes one by one.
#pragma once

#include <string>

#include "wire/websocket.h"

namespace localproxy::test {

// Appends a masked frame with a copy of payload.
inline void append_client_frame(std::string& out, wire::Opcode opcode, Bytes payload,
                                const wire::MaskKey& key) {
  const size_t start = out.size();
  const size_t header = wire::client_header_size(payload.size());
  out.resize(start + header + payload.size());
  auto* at = reinterpret_cast<uint8_t*>(out.data()) + start;
  wire::write_client_header(at, opcode, payload.size(), key);
  wire::mask(at + header, payload.data(), payload.size(), key, 0);
}

}  // namespace localproxy::test
