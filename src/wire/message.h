// The messages of a tunnel, as values.
//
// The schema is proto/tunnel.proto and everything here goes through the code that is generated from it; only
// DATA, which is nearly all of the traffic, has a second codec in wire/data.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace localproxy::wire {

// The numbers are those of the schema.
enum class MessageType : int32_t {
  kUnknown = 0,
  kData = 1,
  kStreamStart = 2,
  kStreamReset = 3,
  kSessionReset = 4,
  kServiceIds = 5,
  kConnectionStart = 6,
  kConnectionReset = 7,
};

// The name in the schema, or "type N" for a number that it does not have.
std::string to_string(MessageType type);

struct Message {
  MessageType type = MessageType::kUnknown;  // a peer may send a number that has no name here
  int32_t stream_id = 0;                     // 0: absent
  bool ignorable = false;
  std::string payload;
  std::string service_id;                // empty: absent
  std::vector<std::string> service_ids;  // availableServiceIds
  uint32_t connection_id = 0;            // 0: absent

  bool operator==(const Message&) const = default;
};

// One serialised Message. An error for: bytes that are not one, fields outside the schema, a payload above
// limits::kMaxPayload, a service id that is neither empty nor valid, more than limits::kMaxServices service
// ids or a bad one among them. An unknown type is not an error here: what to do depends on `ignorable`.
Result<Message> decode_message(Bytes bytes);

// Appends the tunnel frame of message: two bytes of length, big-endian, then the message.
// REQUIRES: fields that decode_message() would accept, of at most limits::kMaxMessage bytes when serialised.
void append_frame(const Message& message, std::string& out);

}  // namespace localproxy::wire
