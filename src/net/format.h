// Which optional fields a peer's messages have. The protocol calls this its version.
//
// Version 1 has neither serviceId nor connectionId, version 2 has the serviceId, version 3 has both. A source
// chooses its format with its first stream start. If it changes the format on the same WebSocket connection,
// the service closes that connection. A destination answers each stream in the format in which it was
// started.
#pragma once

#include <string_view>

#include "wire/message.h"

namespace localproxy::net {

struct Format {
  bool service_id = true;
  bool connection_id = true;

  bool operator==(const Format&) const = default;
};

// REQUIRES: a version from 1 to 3.
Format format_of_version(int version);
// The format that a stream start has.
Format format_of(const wire::Message& start);
// The fields that both have.
Format common(Format one, Format other);

// 1 to 3, for "aws.iot.securetunneling-1.0" to "-3.0". REQUIRES: subprotocol is one of these.
int subprotocol_version(std::string_view subprotocol);

}  // namespace localproxy::net
