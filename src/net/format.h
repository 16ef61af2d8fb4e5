// Which of the optional fields a side's messages have: what the protocol calls its version.
//
// Version 1 has neither serviceId nor connectionId, version 2 has the serviceId, version 3 has both. A source
// settles its format at its first stream start and keeps it for the whole WebSocket connection, or the
// service closes that; a destination answers each stream in the format in which it was started.
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
// What a stream start shows of its sender.
Format format_of(const wire::Message& start);
// The fields that both have.
Format common(Format one, Format other);

// 1 to 3, of "aws.iot.securetunneling-1.0" to "-3.0". REQUIRES: one of these.
int subprotocol_version(std::string_view subprotocol);

}  // namespace localproxy::net
