// The recorded messages of one seat, on request of a test.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "message.h"

namespace localproxy::service {

struct RecordedMessage {
  uint32_t type;
  int32_t stream_id;
  std::string service_id;
  uint32_t connection_id;
};

struct Record {
  bool on = false;
  std::vector<RecordedMessage> messages;  // all but DATA, the first bounds::kRecorded
  uint64_t data_messages = 0;
  uint64_t data_bytes = 0;

  void note(const Message& message);
  // Clears the record.
  void restart(bool now_on) { *this = Record{.on = now_on}; }
};

}  // namespace localproxy::service
