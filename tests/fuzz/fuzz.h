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

}  // namespace localproxy::fuzz
