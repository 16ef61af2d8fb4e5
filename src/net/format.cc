#include "net/format.h"

#include "base/log.h"

namespace localproxy::net {

Format format_of_version(int version) {
  check(version >= 1 && version <= 3, "the versions of the protocol are 1 to 3");
  return {.service_id = version >= 2, .connection_id = version >= 3};
}

Format format_of(const wire::Message& start) {
  return {.service_id = !start.service_id.empty(), .connection_id = start.connection_id != 0};
}

Format common(Format one, Format other) {
  return {.service_id = one.service_id && other.service_id,
          .connection_id = one.connection_id && other.connection_id};
}

int subprotocol_version(std::string_view subprotocol) {
  if (subprotocol == "aws.iot.securetunneling-1.0") return 1;
  if (subprotocol == "aws.iot.securetunneling-2.0") return 2;
  if (subprotocol == "aws.iot.securetunneling-3.0") return 3;
  fatal("an unknown subprotocol");
}

}  // namespace localproxy::net
