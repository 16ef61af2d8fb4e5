#include "wire/frame.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace localproxy::wire {
namespace {

constexpr size_t kLengthBytes = 2;

// Bytes of the frame that starts with bytes, its length included. REQUIRES: kLengthBytes are there.
size_t frame_size(Bytes bytes) {
  return kLengthBytes + load_be<uint16_t>(bytes.data());
}

}  // namespace

Result<> FrameSplitter::feed(Bytes bytes, const Sink& sink) {
  const auto keep = [&](size_t size) {
    partial_ += as_text(bytes.first(size));
    bytes = bytes.subspan(size);
  };
  if (!partial_.empty()) {
    if (partial_.size() < kLengthBytes) keep(std::min(kLengthBytes - partial_.size(), bytes.size()));
    if (partial_.size() < kLengthBytes) return {};
    const size_t size = frame_size(as_bytes(partial_));
    partial_.reserve(size);
    keep(std::min(size - partial_.size(), bytes.size()));
    if (partial_.size() < size) return {};
    if (Result<> taken = sink(as_bytes(partial_).subspan(kLengthBytes)); !taken) return taken;
    partial_.clear();  // keeps its memory for the next one
  }
  while (bytes.size() >= kLengthBytes && bytes.size() >= frame_size(bytes)) {
    const size_t size = frame_size(bytes);
    if (Result<> taken = sink(bytes.subspan(kLengthBytes, size - kLengthBytes)); !taken) return taken;
    bytes = bytes.subspan(size);
  }
  keep(bytes.size());
  return {};
}

}  // namespace localproxy::wire
