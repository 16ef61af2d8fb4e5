#include "wire/data.h"

#include <google/protobuf/io/coded_stream.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "wire/message.h"

namespace localproxy::wire {
namespace {

using google::protobuf::io::CodedOutputStream;

// Tags of the schema's fields: number << 3 | wire type (0 varint, 2 length and bytes).
enum Tag : uint8_t {
  kType = 1 << 3 | 0,
  kStreamId = 2 << 3 | 0,
  kIgnorable = 3 << 3 | 0,
  kPayload = 4 << 3 | 2,
  kServiceId = 5 << 3 | 2,
  kConnectionId = 7 << 3 | 0,
};
constexpr auto kTypeData = static_cast<uint8_t>(MessageType::kData);

// Bytes of the longest varints that are read here: any number, the length of a payload and of a service id.
// The generated code also accepts longer encodings of the lengths, which nobody sends.
constexpr size_t kVarintBytes = 10;
constexpr size_t kPayloadLengthBytes = 3;
constexpr size_t kServiceIdLengthBytes = 2;
static_assert(limits::kMaxPayload < 1U << 7 * kPayloadLengthBytes);
static_assert(limits::kMaxServiceId < 1U << 7 * kServiceIdLengthBytes);

// Takes a varint off the front of bytes. False: it is cut off, or longer than most.
bool take_varint(Bytes& bytes, size_t most, uint64_t& value) {
  uint64_t result = 0;
  for (size_t i = 0; i < most && i < bytes.size(); ++i) {
    const uint64_t bits = bytes[i] & 0x7f;
    if (i == kVarintBytes - 1 && bits > 1) return false;  // more than 64 bits
    result |= bits << 7 * i;
    if ((bytes[i] & 0x80) == 0) {
      bytes = bytes.subspan(i + 1);
      value = result;
      return true;
    }
  }
  return false;
}

bool take_tag(Bytes& bytes, Tag tag) {
  if (bytes.empty() || bytes[0] != tag) return false;
  bytes = bytes.subspan(1);
  return true;
}

// Optional fields: false only if the field is present and malformed. An absent field leaves value alone.
bool take_number(Bytes& bytes, Tag tag, uint64_t& value) {
  return !take_tag(bytes, tag) || take_varint(bytes, kVarintBytes, value);
}
bool take_bytes(Bytes& bytes, Tag tag, size_t length_bytes, size_t most, Bytes& value) {
  if (!take_tag(bytes, tag)) return true;
  uint64_t length = 0;
  if (!take_varint(bytes, length_bytes, length) || length > most || length > bytes.size()) return false;
  value = bytes.first(static_cast<size_t>(length));
  bytes = bytes.subspan(value.size());
  return true;
}

}  // namespace

size_t data_prefix_size(int32_t stream_id, size_t payload_size) {
  const size_t stream = stream_id == 0 ? 0 : 1 + CodedOutputStream::VarintSize32SignExtended(stream_id);
  return 2 + 2 + stream + 1 + CodedOutputStream::VarintSize32(static_cast<uint32_t>(payload_size));
}

size_t data_suffix_size(std::string_view service_id, uint32_t connection_id) {
  const auto length = static_cast<uint32_t>(service_id.size());
  const size_t service = length == 0 ? 0 : 1 + CodedOutputStream::VarintSize32(length) + length;
  const size_t connection = connection_id == 0 ? 0 : 1 + CodedOutputStream::VarintSize32(connection_id);
  return service + connection;
}

void write_data_prefix(uint8_t* at, int32_t stream_id, size_t payload_size, size_t suffix_size) {
  check(payload_size > 0 && payload_size <= limits::kMaxPayload, "DATA payload of a wrong size");
  check(suffix_size <= kMaxDataSuffix, "DATA suffix of a wrong size");
  const size_t message_size = data_prefix_size(stream_id, payload_size) - 2 + payload_size + suffix_size;
  static_assert(kMaxDataPrefix - 2 + limits::kMaxPayload + kMaxDataSuffix <= limits::kMaxMessage);
  store_be(at, static_cast<uint16_t>(message_size));
  at += 2;
  *at++ = Tag::kType;
  *at++ = kTypeData;
  if (stream_id != 0) {
    *at++ = Tag::kStreamId;
    at = CodedOutputStream::WriteVarint32SignExtendedToArray(stream_id, at);
  }
  *at++ = Tag::kPayload;
  CodedOutputStream::WriteVarint32ToArray(static_cast<uint32_t>(payload_size), at);
}

void write_data_suffix(uint8_t* at, std::string_view service_id, uint32_t connection_id) {
  check(service_id.size() <= limits::kMaxServiceId, "service id of a wrong size");
  if (!service_id.empty()) {
    *at++ = Tag::kServiceId;
    at = CodedOutputStream::WriteVarint32ToArray(static_cast<uint32_t>(service_id.size()), at);
    memcpy(at, service_id.data(), service_id.size());
    at += service_id.size();
  }
  if (connection_id != 0) {
    *at++ = Tag::kConnectionId;
    CodedOutputStream::WriteVarint32ToArray(connection_id, at);
  }
}

bool decode_data(Bytes message, DataView& data) {
  if (!take_tag(message, Tag::kType) || message.empty() || message[0] != kTypeData) return false;
  message = message.subspan(1);

  uint64_t stream_id = 0;
  uint64_t ignorable = 0;
  uint64_t connection_id = 0;
  Bytes payload;
  Bytes service_id;
  if (!take_number(message, Tag::kStreamId, stream_id) || !take_number(message, Tag::kIgnorable, ignorable) ||
      !take_bytes(message, Tag::kPayload, kPayloadLengthBytes, limits::kMaxPayload, payload) ||
      !take_bytes(message, Tag::kServiceId, kServiceIdLengthBytes, limits::kMaxServiceId, service_id) ||
      !take_number(message, Tag::kConnectionId, connection_id) || !message.empty()) {
    return false;
  }
  if (!service_id.empty() && !is_service_id(as_text(service_id))) return false;
  // Numbers of more than 32 bits lose the upper ones, as in the generated code.
  data = {.stream_id = static_cast<int32_t>(stream_id),
          .service_id = as_text(service_id),
          .connection_id = static_cast<uint32_t>(connection_id),
          .payload = payload};
  return true;
}

}  // namespace localproxy::wire
