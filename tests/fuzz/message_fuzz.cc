// decode_message() accepts or refuses any bytes, and what it accepts survives being written and read again.
#include <algorithm>
#include <string>

#include "base/limits.h"
#include "base/text.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/quiet_protobuf.h"
#include "wire/message.h"

using namespace localproxy;
using fuzz::require;

namespace {

// A negative type or streamId may come in five bytes but is written in ten.
constexpr size_t kMostGrowth = 2 * 5;

void check_limits(const wire::Message& message) {
  require(message.payload.size() <= limits::kMaxPayload, "a payload is within its limit");
  require(message.service_id.empty() || is_service_id(message.service_id), "a service id is valid");
  require(message.service_ids.size() <= limits::kMaxServices, "the services are within their limit");
  require(std::all_of(message.service_ids.begin(), message.service_ids.end(), is_service_id),
          "every service is valid");
  require(!wire::to_string(message.type).empty(), "every type has a name");
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Result<wire::Message> message = wire::decode_message({data, size});
  if (!message) {
    require(!message.error().text().empty(), "an error says something");
    return 0;
  }
  check_limits(*message);
  if (size > limits::kMaxMessage - kMostGrowth) return 0;

  std::string frame;
  wire::append_frame(*message, frame);
  const Bytes bytes = as_bytes(frame);
  require(bytes.size() == 2U + load_be<uint16_t>(bytes.data()), "a frame is as long as it says");
  require(bytes.size() - 2 <= size + kMostGrowth, "a message is not written longer than it has to be");
  const Result<wire::Message> again = wire::decode_message(bytes.subspan(2));
  require(again.ok() && *again == *message, "a message that was written is read again");
  return 0;
}
