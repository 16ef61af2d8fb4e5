// Tunnel messages: a scanner that accepts exactly the schema, and frames that the service makes itself.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace localproxy::service {

enum class Type : uint32_t {
  kUnknown = 0,
  kData = 1,
  kStreamStart = 2,
  kStreamReset = 3,
  kSessionReset = 4,
  kServiceIds = 5,
  kConnectionStart = 6,
  kConnectionReset = 7,
};

// Views into the frame that was scanned. An empty service id and connection 0 mean absent.
struct Message {
  uint32_t type = 0;  // may be unknown to Type
  int32_t stream_id = 0;
  bool ignorable = false;
  Bytes payload;
  std::string_view service_id;
  uint32_t connection_id = 0;
  bool has_available_ids = false;

  bool is(Type wanted) const { return type == static_cast<uint32_t>(wanted); }
};

// Parses the bytes of one Message. Fields outside the schema, a field with another wire type, a singular
// field that comes twice, a value out of its type's range and trailing bytes are errors.
Result<Message> scan(Bytes bytes);

// An error if generated code reads the same bytes differently from scan().
// REQUIRES: no availableServiceIds.
Result<> compare_with_generated(Bytes bytes, const Message& message);

// A tunnel frame with bounds::kHeadRoom bytes in front of it.
class OwnFrame {
 public:
  explicit OwnFrame(std::string_view serialised);
  // The frame, including its two bytes of length.
  MutableBytes bytes();

 private:
  std::vector<uint8_t> memory_;
};

// connection_id 0 and an empty service_id are left out.
OwnFrame make_message(Type type, int32_t stream_id, std::string_view service_id, uint32_t connection_id);
OwnFrame make_service_ids(const std::vector<std::string>& ids);

// Writes a DATA frame into scratch, behind bounds::kHeadRoom bytes, and returns it: the one copy of the
// payload that bridging two subprotocols costs.
MutableBytes rebuild_data(const Message& message, bool with_service_id, std::vector<uint8_t>& scratch);

}  // namespace localproxy::service
