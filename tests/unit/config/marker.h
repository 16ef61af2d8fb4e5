// A marker to search for in memory. It must not be stored in the searching program itself.
#pragma once

#include <cstddef>

namespace localproxy::config::test {

inline constexpr size_t kMarkerSize = 72;

// One byte of the marker, a letter.
constexpr char marker_byte(size_t i) {
  return static_cast<char>((i % 2 == 0 ? 'A' : 'a') + static_cast<char>(i * 7 % 26));
}

}  // namespace localproxy::config::test
