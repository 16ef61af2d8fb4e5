// A message of the table, encoded as a datagram.
#pragma once

#include <string>

#include "ipc/messages.h"

namespace localproxy::test {

template <typename M>
std::string datagram_of(const M& message) {
  std::string bytes;
  ipc::put(bytes, static_cast<uint16_t>(M::kType));
  ipc::encode_fields(message, bytes);
  return bytes;
}

}  // namespace localproxy::test
