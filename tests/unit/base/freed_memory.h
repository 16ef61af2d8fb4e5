// Finds secrets that are still in memory when the memory is freed.
//
// In a program that links freed_memory.cc, operator delete searches each block before it frees it.
#pragma once

#include <stddef.h>

#include <string_view>

namespace localproxy::test {

// Watches from its construction to its end. Only one at a time.
class FreedMemory {
 public:
  // marker must not be freed itself; use a literal.
  explicit FreedMemory(std::string_view marker);
  ~FreedMemory();
  FreedMemory(const FreedMemory&) = delete;
  FreedMemory& operator=(const FreedMemory&) = delete;

  // The number of blocks that were freed with marker in them.
  size_t blocks_with_marker() const;
};

}  // namespace localproxy::test
