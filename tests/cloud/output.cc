#include "output.h"

#include <algorithm>

#include "bounds.h"

namespace localproxy::service {

void Output::tunnel_frame(MutableBytes frame) {
  if (!shape_.plain()) {
    shaped_.append(frame);
    if (shaped_.size() >= bounds::kFlushAt) cut(least());
    return;
  }
  const uint8_t* begin = put_header_before(frame.data(), frame.size(), Opcode::kBinary);
  put({begin, frame.data() + frame.size()});
}

void Output::control_frame(Opcode opcode, std::string_view payload) {
  cut();
  std::vector<uint8_t> frame(bounds::kHeadRoom);
  frame.insert(frame.end(), payload.begin(), payload.end());
  uint8_t* const at = frame.data() + bounds::kHeadRoom;
  put({put_header_before(at, payload.size(), opcode), at + payload.size()});
}

void Output::raw(Bytes bytes) {
  cut();
  put(bytes);
}

void Output::pass_on() {
  cut(least());
  flush_gathered();
}

void Output::finish() {
  cut();
  flush_gathered();
}

void Output::set_shape(const Shape& shape) {
  finish();
  shape_ = shape;
}

void Output::put(Bytes bytes) {
  if (shape_.tls != 0) {
    flush_gathered();
    while (!bytes.empty()) {
      const Bytes record = bytes.first(std::min(shape_.tls, bytes.size()));
      broken_ |= !tls_.write(record);
      bytes = bytes.subspan(record.size());
    }
  } else if (bytes.size() < bounds::kGatherBelow) {
    gathered_.append(bytes);
    if (gathered_.size() >= bounds::kTlsRecord) flush_gathered();
  } else {
    flush_gathered();
    broken_ |= !tls_.write(bytes);
  }
}

void Output::flush_gathered() {
  broken_ |= !tls_.write(gathered_.bytes());
  gathered_.clear();
}

// Cuts what waits into messages while there are `least` bytes of it; the last may be shorter than the shape's
// size.
void Output::cut(size_t least) {
  while (shaped_.size() >= least) {
    const size_t wanted = shape_.offset != 0 ? shape_.offset
                          : shape_.size != 0 ? shape_.size
                                             : shaped_.size();
    const size_t most = std::min(wanted, bounds::kWebSocketPayload);
    const size_t size = std::min(most, shaped_.size());
    message(shaped_.bytes().first(size));
    shaped_.consume(size);
    shape_.offset = 0;
  }
}

void Output::message(Bytes payload) {
  const size_t most = shape_.fragment == 0 ? payload.size() : shape_.fragment;
  Opcode opcode = Opcode::kBinary;
  do {
    const Bytes part = payload.first(std::min(most, payload.size()));
    payload = payload.subspan(part.size());
    std::vector<uint8_t> frame(bounds::kHeadRoom);
    frame.insert(frame.end(), part.begin(), part.end());
    uint8_t* const at = frame.data() + bounds::kHeadRoom;
    put({put_header_before(at, part.size(), opcode, payload.empty()), at + part.size()});
    opcode = Opcode::kContinuation;
  } while (!payload.empty());
}

}  // namespace localproxy::service
