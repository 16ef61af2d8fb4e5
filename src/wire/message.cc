#include "wire/message.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "tunnel.pb.h"

namespace localproxy::wire {
namespace {

namespace schema = ::com::amazonaws::iot::securedtunneling;

static_assert(static_cast<int>(MessageType::kUnknown) == schema::Message::UNKNOWN);
static_assert(static_cast<int>(MessageType::kData) == schema::Message::DATA);
static_assert(static_cast<int>(MessageType::kStreamStart) == schema::Message::STREAM_START);
static_assert(static_cast<int>(MessageType::kStreamReset) == schema::Message::STREAM_RESET);
static_assert(static_cast<int>(MessageType::kSessionReset) == schema::Message::SESSION_RESET);
static_assert(static_cast<int>(MessageType::kServiceIds) == schema::Message::SERVICE_IDS);
static_assert(static_cast<int>(MessageType::kConnectionStart) == schema::Message::CONNECTION_START);
static_assert(static_cast<int>(MessageType::kConnectionReset) == schema::Message::CONNECTION_RESET);
static_assert(schema::Message::Type_MAX == schema::Message::CONNECTION_RESET);

// Moves every field of the schema out of parsed and clears it there.
Message take_fields(schema::Message& parsed) {
  Message message;
  message.type = static_cast<MessageType>(parsed.type());
  parsed.clear_type();
  message.stream_id = parsed.streamid();
  parsed.clear_streamid();
  message.ignorable = parsed.ignorable();
  parsed.clear_ignorable();
  message.payload = std::move(*parsed.mutable_payload());
  parsed.clear_payload();
  message.service_id = std::move(*parsed.mutable_serviceid());
  parsed.clear_serviceid();
  for (std::string& id : *parsed.mutable_availableserviceids())
    message.service_ids.push_back(std::move(id));
  parsed.clear_availableserviceids();
  message.connection_id = parsed.connectionid();
  parsed.clear_connectionid();
  return message;
}

Result<> check_fields(const Message& message) {
  const std::string name = to_string(message.type);
  if (message.payload.size() > limits::kMaxPayload) {
    return Error(name + " message with a payload of " + std::to_string(message.payload.size()) +
                 " bytes, more than " + std::to_string(limits::kMaxPayload));
  }
  if (!message.service_id.empty() && !is_service_id(message.service_id)) {
    return Error(name + " message with a bad service id of " + std::to_string(message.service_id.size()) +
                 " bytes");
  }
  const std::vector<std::string>& ids = message.service_ids;
  if (ids.size() > limits::kMaxServices) {
    return Error(name + " message with " + std::to_string(ids.size()) + " services, more than " +
                 std::to_string(limits::kMaxServices));
  }
  const auto bad = std::find_if_not(ids.begin(), ids.end(), is_service_id);
  if (bad != ids.end()) {
    return Error(name + " message whose service " + std::to_string(bad - ids.begin() + 1) +
                 " has a bad id of " + std::to_string(bad->size()) + " bytes");
  }
  return {};
}

}  // namespace

std::string to_string(MessageType type) {
  const auto number = static_cast<int>(type);
  if (!schema::Message::Type_IsValid(number)) return "type " + std::to_string(number);
  return schema::Message::Type_Name(static_cast<schema::Message::Type>(number));
}

Result<Message> decode_message(Bytes bytes) {
  if (bytes.size() > limits::kMaxMessage) {
    return Error("message of " + std::to_string(bytes.size()) + " bytes, more than " +
                 std::to_string(limits::kMaxMessage));
  }
  schema::Message parsed;
  if (!parsed.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Error("message of " + std::to_string(bytes.size()) + " bytes that is not well-formed protobuf");
  }
  Message message = take_fields(parsed);
  // The lite runtime keeps fields outside the schema, and known ones of a wrong wire type, but gives no
  // access to them. Once the known fields are cleared, a message can hold nothing else.
  if (const size_t unknown = parsed.ByteSizeLong(); unknown > 0) {
    return Error(to_string(message.type) + " message with " + std::to_string(unknown) +
                 " bytes of fields outside the schema");
  }
  if (Result<> checked = check_fields(message); !checked) return checked.error();
  return message;
}

void append_frame(const Message& message, std::string& out) {
  schema::Message generated;
  generated.set_type(static_cast<schema::Message::Type>(message.type));
  generated.set_streamid(message.stream_id);
  generated.set_ignorable(message.ignorable);
  generated.set_payload(message.payload);
  generated.set_serviceid(message.service_id);
  for (const std::string& id : message.service_ids)
    generated.add_availableserviceids(id);
  generated.set_connectionid(message.connection_id);

  const size_t size = generated.ByteSizeLong();
  check(size <= limits::kMaxMessage, "message does not fit its frame");
  uint8_t length[2];
  store_be(length, static_cast<uint16_t>(size));
  out += as_text(length);
  check(generated.AppendToString(&out), "message cannot be serialised");
}

}  // namespace localproxy::wire
