// Bytes that show when one is missing, or in the wrong place.
#pragma once

#include <string>

namespace localproxy::test {

inline std::string pattern(size_t size) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i)
    text[i] = static_cast<char>(i * 31 + i / 256 + i / 65'536);
  return text;
}

}  // namespace localproxy::test
