// DATA messages without a copy: framed around a payload that is already in place, and parsed as views.
//
// A test proves for all combinations of fields, and for payload lengths at every change of a length's size,
// that these bytes are those of the generated code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/limits.h"

namespace localproxy::wire {

struct DataView {
  int32_t stream_id = 0;
  std::string_view service_id;
  uint32_t connection_id = 0;
  Bytes payload;
};

// The most bytes that a tunnel frame has in front of its payload (length 2, type 2, streamId 11, payload's
// head 4) and behind it (serviceId 3 + 128, connectionId 6).
inline constexpr size_t kMaxDataPrefix = 19;
inline constexpr size_t kMaxDataSuffix = 3 + limits::kMaxServiceId + 6;

// Bytes of the tunnel frame in front of a payload of payload_size bytes: its two-byte length, then type,
// streamId and the payload's tag and length. REQUIRES: 0 < payload_size <= limits::kMaxPayload; the same
// holds for the functions below. service_id is empty or valid.
size_t data_prefix_size(int32_t stream_id, size_t payload_size);
// Bytes behind the payload: serviceId and connectionId, each left out when empty or 0.
size_t data_suffix_size(std::string_view service_id, uint32_t connection_id);

// Writes data_prefix_size() bytes at `at`. suffix_size is the result of data_suffix_size() for the same
// message.
void write_data_prefix(uint8_t* at, int32_t stream_id, size_t payload_size, size_t suffix_size);
// Writes data_suffix_size() bytes at `at`.
void write_data_suffix(uint8_t* at, std::string_view service_id, uint32_t connection_id);

// Views of the fields of one serialised Message (without the length in front). True only for a DATA message
// whose fields stand in the schema's order, each at most once, of nothing but streamId, ignorable, payload,
// serviceId and connectionId, with a payload of at most limits::kMaxPayload and a service id that is empty or
// valid; otherwise `data` is untouched, and the caller uses decode_message().
bool decode_data(Bytes message, DataView& data);

}  // namespace localproxy::wire
