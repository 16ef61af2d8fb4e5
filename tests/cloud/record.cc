#include "record.h"

#include "bounds.h"

namespace localproxy::service {

void Record::note(const Message& message) {
  if (message.is(Type::kData)) {
    ++data_messages;
    data_bytes += message.payload.size();
  } else if (messages.size() < bounds::kRecorded) {
    messages.push_back(
        {message.type, message.stream_id, std::string(message.service_id), message.connection_id});
  }
}

}  // namespace localproxy::service
