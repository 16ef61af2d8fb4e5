// Whether a secret was still in memory when the memory was given back.
//
// A program that links freed_memory.cc has its operator delete look at what is freed.
#pragma once

#include <stddef.h>

#include <string_view>

namespace localproxy::test {

// Watches from its construction to its end. Only one at a time.
class FreedMemory {
 public:
  // marker must not be freed itself, so it is best a literal.
  explicit FreedMemory(std::string_view marker);
  ~FreedMemory();
  FreedMemory(const FreedMemory&) = delete;
  FreedMemory& operator=(const FreedMemory&) = delete;

  // Blocks that were freed with marker in them.
  size_t blocks_with_marker() const;
};

}  // namespace localproxy::test
