// The two ways of reading a DATA message agree, and so do the two ways of writing it.
#include <algorithm>
#include <string>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/quiet_protobuf.h"
#include "wire/data.h"
#include "wire/message.h"

using namespace localproxy;
using fuzz::require;

namespace {

std::string framed_by_hand(const wire::DataView& view) {
  const size_t prefix = wire::data_prefix_size(view.stream_id, view.payload.size());
  const size_t suffix = wire::data_suffix_size(view.service_id, view.connection_id);
  require(prefix <= wire::kMaxDataPrefix && suffix <= wire::kMaxDataSuffix, "kMaxData... are not exceeded");
  std::string frame(prefix + view.payload.size() + suffix, '\0');
  auto* at = reinterpret_cast<uint8_t*>(frame.data());
  wire::write_data_prefix(at, view.stream_id, view.payload.size(), suffix);
  std::copy(view.payload.begin(), view.payload.end(), at + prefix);
  wire::write_data_suffix(at + prefix + view.payload.size(), view.service_id, view.connection_id);
  return frame;
}

std::string framed_by_generated_code(wire::Message message) {
  message.ignorable = false;  // the other encoder does not write it
  std::string frame;
  wire::append_frame(message, frame);
  return frame;
}

void compare(const wire::DataView& view, const wire::Message& message) {
  require(message.type == wire::MessageType::kData, "decode_data() takes DATA only");
  require(message.service_ids.empty(), "decode_data() takes no availableServiceIds");
  require(view.stream_id == message.stream_id, "both read the same streamId");
  require(view.service_id == message.service_id, "both read the same serviceId");
  require(view.connection_id == message.connection_id, "both read the same connectionId");
  require(as_text(view.payload) == message.payload, "both read the same payload");
}

// Whether the generated code writes message as these bytes, which decode_data() then has to accept.
bool canonical(Bytes bytes, const wire::Message& message) {
  std::string frame;
  wire::append_frame(message, frame);
  return std::string_view(frame).substr(2) == as_text(bytes);
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes bytes(data, size);
  wire::DataView view;
  const bool seen = wire::decode_data(bytes, view);
  const Result<wire::Message> message = wire::decode_message(bytes);
  if (!seen) {
    const bool missed = message && message->type == wire::MessageType::kData &&
                        message->service_ids.empty() && canonical(bytes, *message);
    require(!missed, "decode_data() takes every DATA message that is written in the usual way");
    return 0;
  }
  require(message.ok(), "decode_message() takes what decode_data() takes");
  compare(view, *message);
  if (!view.payload.empty()) {
    require(framed_by_hand(view) == framed_by_generated_code(*message), "both write the same frame");
  }
  return 0;
}
