#include "message.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "base/log.h"
#include "bounds.h"
#include "tunnel.pb.h"
#include "websocket.h"

namespace localproxy::service {
namespace {

namespace pb = com::amazonaws::iot::securedtunneling;

enum WireType : uint32_t { kVarint = 0, kLengthDelimited = 2 };

struct FieldRule {
  std::string_view name;
  WireType wire_type;
  bool repeated;
};

// By field number minus one.
constexpr FieldRule kFields[] = {
    {"type", kVarint, false},
    {"streamId", kVarint, false},
    {"ignorable", kVarint, false},
    {"payload", kLengthDelimited, false},
    {"serviceId", kLengthDelimited, false},
    {"availableServiceIds", kLengthDelimited, true},
    {"connectionId", kVarint, false},
};
constexpr size_t kFieldCount = std::size(kFields);

std::optional<uint64_t> take_varint(Bytes& bytes) {
  uint64_t value = 0;
  for (size_t i = 0; i < 10 && i < bytes.size(); ++i) {
    const uint64_t byte = bytes[i];
    if (i == 9 && byte > 1) return std::nullopt;
    value |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      bytes = bytes.subspan(i + 1);
      return value;
    }
  }
  return std::nullopt;
}

std::optional<Bytes> take_run(Bytes& bytes) {
  const auto length = take_varint(bytes);
  if (!length || *length > bytes.size()) return std::nullopt;
  const Bytes run = bytes.first(static_cast<size_t>(*length));
  bytes = bytes.subspan(run.size());
  return run;
}

Error wrong(const FieldRule& rule, std::string_view what) {
  return Error("message: " + std::string(rule.name) + " " + std::string(what));
}

// An int32 is encoded as the 64-bit number of the same value.
bool fits_int32(uint64_t value) {
  const auto number = static_cast<int64_t>(value);
  return number >= std::numeric_limits<int32_t>::min() && number <= std::numeric_limits<int32_t>::max();
}

Result<> set_number(size_t field, uint64_t value, Message& message) {
  const FieldRule& rule = kFields[field];
  switch (field) {
    case 0:
    case 1:
      if (!fits_int32(value)) return wrong(rule, "is out of range");
      if (field == 0) message.type = static_cast<uint32_t>(value);
      if (field == 1) message.stream_id = static_cast<int32_t>(static_cast<int64_t>(value));
      break;
    case 2:
      if (value > 1) return wrong(rule, "is neither 0 nor 1");
      message.ignorable = value == 1;
      break;
    default:
      if (value > std::numeric_limits<uint32_t>::max()) return wrong(rule, "is out of range");
      message.connection_id = static_cast<uint32_t>(value);
      break;
  }
  return {};
}

Result<> set_run(size_t field, Bytes run, Message& message) {
  if (field == 3) {
    message.payload = run;
    return {};
  }
  if (!is_utf8(as_text(run))) return wrong(kFields[field], "is not UTF-8");
  if (field == 4) message.service_id = as_text(run);
  if (field == 5) message.has_available_ids = true;
  return {};
}

std::string serialise(const pb::Message& message) {
  std::string text;
  check(message.SerializeToString(&text), "cannot serialise a message");
  return text;
}

void put_varint(uint64_t value, std::vector<uint8_t>& out) {
  for (; value >= 0x80; value >>= 7)
    out.push_back(static_cast<uint8_t>(value | 0x80));
  out.push_back(static_cast<uint8_t>(value));
}

void put_tag(uint32_t field, WireType type, std::vector<uint8_t>& out) {
  put_varint(field << 3 | type, out);
}

}  // namespace

Result<Message> scan(Bytes bytes) {
  Message message;
  uint32_t seen = 0;
  while (!bytes.empty()) {
    const auto tag = take_varint(bytes);
    if (!tag) return Error("message: a tag is cut off");
    const uint64_t number = *tag >> 3;
    if (number < 1 || number > kFieldCount) {
      return Error("message: field " + std::to_string(number) + " is outside the schema");
    }
    const size_t field = static_cast<size_t>(number) - 1;
    const FieldRule& rule = kFields[field];
    if ((*tag & 7) != rule.wire_type) return wrong(rule, "has wire type " + std::to_string(*tag & 7));
    if (!rule.repeated && (seen & 1U << field) != 0) return wrong(rule, "comes twice");
    seen |= 1U << field;
    if (rule.wire_type == kVarint) {
      const auto value = take_varint(bytes);
      if (!value) return wrong(rule, "is cut off");
      if (auto set = set_number(field, *value, message); !set) return set.error();
    } else {
      const auto run = take_run(bytes);
      if (!run) return wrong(rule, "is cut off");
      if (auto set = set_run(field, *run, message); !set) return set.error();
    }
  }
  return message;
}

Result<> compare_with_generated(Bytes bytes, const Message& message) {
  pb::Message parsed;
  if (!parsed.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Error("message: generated code cannot parse it");
  }
  pb::Message expected;
  expected.set_type(static_cast<pb::Message::Type>(message.type));
  expected.set_streamid(message.stream_id);
  expected.set_ignorable(message.ignorable);
  expected.set_payload(message.payload.data(), message.payload.size());
  expected.set_serviceid(std::string(message.service_id));
  expected.set_connectionid(message.connection_id);
  // Generated code keeps unknown fields and would write them too.
  return serialise(parsed) == serialise(expected) ? Result<>()
                                                  : Error("message: generated code reads it differently");
}

OwnFrame::OwnFrame(std::string_view serialised) : memory_(bounds::kHeadRoom + 2 + serialised.size()) {
  check(serialised.size() <= 0xffff, "a message of our own is too long");
  store_be(&memory_[bounds::kHeadRoom], static_cast<uint16_t>(serialised.size()));
  std::copy(serialised.begin(), serialised.end(), memory_.begin() + bounds::kHeadRoom + 2);
}

MutableBytes OwnFrame::bytes() {
  return MutableBytes(memory_).subspan(bounds::kHeadRoom);
}

OwnFrame make_message(Type type, int32_t stream_id, std::string_view service_id, uint32_t connection_id) {
  pb::Message message;
  message.set_type(static_cast<pb::Message::Type>(type));
  message.set_streamid(stream_id);
  if (!service_id.empty()) message.set_serviceid(std::string(service_id));
  if (connection_id != 0) message.set_connectionid(connection_id);
  return OwnFrame(serialise(message));
}

OwnFrame make_service_ids(const std::vector<std::string>& ids) {
  pb::Message message;
  message.set_type(pb::Message::SERVICE_IDS);
  for (const std::string& id : ids)
    message.add_availableserviceids(id);
  return OwnFrame(serialise(message));
}

MutableBytes rebuild_data(const Message& message, bool with_service_id, std::vector<uint8_t>& scratch) {
  constexpr size_t kLengthAt = bounds::kHeadRoom;
  scratch.resize(kLengthAt + 2);
  put_tag(pb::Message::kTypeFieldNumber, kVarint, scratch);
  put_varint(static_cast<uint32_t>(Type::kData), scratch);
  put_tag(pb::Message::kStreamIdFieldNumber, kVarint, scratch);
  put_varint(static_cast<uint64_t>(int64_t{message.stream_id}), scratch);
  if (message.ignorable) {
    put_tag(pb::Message::kIgnorableFieldNumber, kVarint, scratch);
    put_varint(1, scratch);
  }
  if (with_service_id && !message.service_id.empty()) {
    put_tag(pb::Message::kServiceIdFieldNumber, kLengthDelimited, scratch);
    put_varint(message.service_id.size(), scratch);
    scratch.insert(scratch.end(), message.service_id.begin(), message.service_id.end());
  }
  put_tag(pb::Message::kPayloadFieldNumber, kLengthDelimited, scratch);
  put_varint(message.payload.size(), scratch);
  scratch.insert(scratch.end(), message.payload.begin(), message.payload.end());
  store_be(&scratch[kLengthAt], static_cast<uint16_t>(scratch.size() - kLengthAt - 2));
  return MutableBytes(scratch).subspan(kLengthAt);
}

}  // namespace localproxy::service
