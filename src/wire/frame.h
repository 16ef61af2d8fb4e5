// Splits the byte stream of a tunnel into messages, however it was fragmented on the way.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace localproxy::wire {

class FrameSplitter {
 public:
  // Calls sink(Bytes message), which returns a Result<>, for every message that bytes complete. A
  // message is valid only during the call. A message that lies in bytes as a whole is passed on without a
  // copy; an unfinished one is kept, at most 2 + limits::kMaxMessage bytes. An error of the sink ends the
  // splitting: the splitter must not be used again.
  template <typename Sink>
  Result<> feed(Bytes bytes, Sink&& sink);

 private:
  static constexpr size_t kLengthBytes = 2;
  // Bytes of the frame that starts with bytes, its length included. REQUIRES: kLengthBytes are there.
  static size_t frame_size(Bytes bytes) { return kLengthBytes + load_be<uint16_t>(bytes.data()); }
  // Moves bytes from the front of `bytes` to the end of partial_, until that has `size` bytes. False: there
  // are not enough.
  bool complete(Bytes& bytes, size_t size);

  std::string partial_;
};

template <typename Sink>
Result<> FrameSplitter::feed(Bytes bytes, Sink&& sink) {
  if (!partial_.empty()) {
    if (!complete(bytes, kLengthBytes) || !complete(bytes, frame_size(as_bytes(partial_)))) return {};
    if (Result<> taken = sink(as_bytes(partial_).subspan(kLengthBytes)); !taken) return taken;
    partial_.clear();  // keeps its memory for the next one
  }
  while (bytes.size() >= kLengthBytes && bytes.size() >= frame_size(bytes)) {
    const Bytes frame = bytes.first(frame_size(bytes));
    if (Result<> taken = sink(frame.subspan(kLengthBytes)); !taken) return taken;
    bytes = bytes.subspan(frame.size());
  }
  partial_ += as_text(bytes);
  return {};
}

inline bool FrameSplitter::complete(Bytes& bytes, size_t size) {
  if (partial_.size() >= size) return true;
  partial_.reserve(size);
  const Bytes part = bytes.first(std::min(size - partial_.size(), bytes.size()));
  partial_ += as_text(part);
  bytes = bytes.subspan(part.size());
  return partial_.size() == size;
}

}  // namespace localproxy::wire
