// One end of a tunnel with its connections, through any sequence of messages, local reads and writes, ends,
// stalls and pauses, in each version of the protocol: every byte arrives at the other end of its connection,
// in order, until that connection is reset; none arrives elsewhere or after the reset.
//
// Input: source or destination and the version, then steps, each with its arguments (make_corpus.py has
// them).
#include <string>

#include "base/limits.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/quiet_protobuf.h"
#include "tests/fuzz/tunnel_owner.h"

using namespace localproxy;

namespace {

enum class StepKind : uint8_t {
  kConnect,
  kConnectLate,
  kAttach,
  kFail,
  kWrite,
  kEnd,
  kRead,
  kClose,
  kStall,
  kMessage,
  kDataTo,
  kBlock,
  kUnblock,
  kTurn,
  kRaw,
  kLast = kRaw,
};

constexpr size_t kMostConnections = 24;  // in all; each is four descriptors
constexpr size_t kMostSteps = 256;

// Small sizes and large ones, up to that of the largest payload.
size_t size_of(uint8_t byte) {
  return byte < 128 ? byte : std::min<size_t>((byte - 127U) * 512U, limits::kMaxPayload);
}

// Bytes that differ from those of other steps.
std::string content(size_t size, size_t step) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<char>(i * 7 + (i >> 8) + step * 31);
  return bytes;
}

class Player {
 public:
  Player(fuzz::Script script, bool source, int version)
      : script_(script),
        owner_(source, version == 1 ? std::vector<std::string>{"A"} : std::vector<std::string>{"A", "B", "C"},
               version) {}

  void run() {
    for (steps_ = 0; steps_ < kMostSteps && !script_.finished(); ++steps_) {
      if (!step()) break;
    }
    owner_.settle();
  }

 private:
  // False: the tunnel has ended.
  bool step() {
    const auto kind = static_cast<StepKind>(script_.below(static_cast<size_t>(StepKind::kLast) + 1));
    switch (kind) {
      case StepKind::kConnect:
      case StepKind::kConnectLate:
        connect(kind == StepKind::kConnect);
        return true;
      case StepKind::kMessage:
        return receive(message());
      case StepKind::kDataTo:
        return data_to();
      case StepKind::kRaw:
        return owner_.paused() || owner_.receive(script_.take(script_.byte()));
      case StepKind::kBlock:
      case StepKind::kUnblock:
        owner_.block(kind == StepKind::kBlock);
        return true;
      case StepKind::kTurn:
        owner_.turn();
        return true;
      default:
        if (fuzz::Carried* const carried = owner_.find(script_.byte())) local(kind, *carried);
        return true;
    }
  }

  void connect(bool attach) {
    const size_t service = script_.below(owner_.services().size());
    if (owner_.source() && owner_.find(kMostConnections) == nullptr)
      owner_.connect(static_cast<uint16_t>(service), attach);
  }

  void local(StepKind kind, fuzz::Carried& carried) {
    switch (kind) {
      case StepKind::kAttach:
        return owner_.attach(carried);
      case StepKind::kFail:
        return owner_.fail(carried);
      case StepKind::kWrite:
        return owner_.write(carried, content(size_of(script_.byte()), steps_));
      case StepKind::kEnd:
        return owner_.end(carried);
      case StepKind::kRead:
        return owner_.read(carried, size_of(script_.byte()));
      case StepKind::kClose:
        return owner_.close(carried);
      default:
        return owner_.stall(carried);
    }
  }

  // Type, stream, service (0: none), connection, size of the payload.
  wire::Message message() {
    wire::Message message;
    message.type = static_cast<wire::MessageType>(script_.below(9));
    message.stream_id = static_cast<int8_t>(script_.byte());
    if (const size_t service = script_.below(owner_.services().size() + 2); service > 0)
      message.service_id = std::string(1, static_cast<char>('A' + service - 1));
    message.connection_id = script_.byte();
    const size_t size = size_of(script_.byte());
    if (message.type == wire::MessageType::kData) message.payload = content(size, steps_);
    if (message.type == wire::MessageType::kServiceIds && size == 0) message.service_ids = owner_.services();
    return message;
  }

  // A message to a connection that there is, or was.
  bool data_to() {
    const fuzz::Carried* const carried = owner_.find(script_.byte());
    const size_t size = size_of(script_.byte());
    if (carried == nullptr) return true;
    return receive({.type = wire::MessageType::kData,
                    .stream_id = carried->stream_id,
                    .payload = content(size, steps_),
                    .service_id = owner_.services()[carried->service],
                    .connection_id = carried->connection_id});
  }

  bool receive(const wire::Message& message) {
    // Net reads nothing from the service while it is paused.
    if (owner_.paused() || owner_.find(kMostConnections) != nullptr) return true;
    std::string frame;
    wire::append_frame(message, frame);
    return owner_.receive(as_bytes(frame).subspan(2));
  }

  fuzz::Script script_;
  fuzz::TunnelOwner owner_;
  size_t steps_ = 0;
};

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Script script({data, size});
  const size_t choice = script.below(6);
  // 1 to 3; an even choice is a destination.
  const int version = 1 + static_cast<int>(choice / 2);
  Player(script, choice % 2 == 1, version).run();
  return 0;
}
