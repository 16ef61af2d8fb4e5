// Shared by the fuzz targets.
//
// A target takes bytes and fails when a decoder breaks a promise. It is linked with
// libFuzzer (-Dfuzz=true) or with run_corpus.cc, which is an ordinary test.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <algorithm>

#include "base/bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace localproxy::fuzz {

// Aborts, which a fuzzer reports as a finding, unless the promise holds.
inline void require(bool holds, const char* promise) {
  if (holds) return;
  fprintf(stderr, "broken promise: %s\n", promise);
  abort();
}

// Calls feed(piece) for pieces of 1 to `most` bytes until it returns false. The same input is always cut in
// the same way.
template <typename Feed>
void feed_in_pieces(Bytes bytes, size_t most, Feed feed) {
  constexpr size_t kStride = 7919;  // a prime, so that all sizes occur
  for (size_t i = 0; !bytes.empty(); i += kStride) {
    const size_t size = std::min(1 + i % std::max<size_t>(most, 1), bytes.size());
    if (!feed(bytes.first(size))) return;
    bytes = bytes.subspan(size);
  }
}

// An input as a sequence of choices, for targets that interpret it. After the end all numbers are 0.
class Script {
 public:
  explicit Script(Bytes bytes) : rest_(bytes) {}

  bool finished() const { return rest_.empty(); }
  uint8_t byte() {
    if (rest_.empty()) return 0;
    const uint8_t value = rest_.front();
    rest_ = rest_.subspan(1);
    return value;
  }
  // Less than limit, which is at most 256.
  size_t below(size_t limit) { return byte() % limit; }
  // The next bytes, fewer at the end.
  Bytes take(size_t size) {
    const Bytes taken = rest_.first(std::min(size, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  Bytes rest() { return take(rest_.size()); }

 private:
  Bytes rest_;
};

}  // namespace localproxy::fuzz
