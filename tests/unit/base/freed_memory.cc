#include "tests/unit/base/freed_memory.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include <new>

namespace localproxy::test {
namespace {

std::string_view watched;
size_t found = 0;

void release(void* block) {
  if (block != nullptr && !watched.empty() &&
      memmem(block, malloc_usable_size(block), watched.data(), watched.size()) != nullptr) {
    ++found;
  }
  free(block);
}

}  // namespace

FreedMemory::FreedMemory(std::string_view marker) {
  watched = marker;
  found = 0;
}
FreedMemory::~FreedMemory() {
  watched = {};
}
size_t FreedMemory::blocks_with_marker() const {
  return found;
}

}  // namespace localproxy::test

void* operator new(size_t size) {
  // Zeroed, so that a marker in it was written by the owner of the block.
  void* block = calloc(1, size == 0 ? 1 : size);
  if (block == nullptr) abort();
  return block;
}
// std::stable_sort asks this way. The library's calls the one above; AddressSanitizer's does not.
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return operator new(size);
}
void operator delete(void* block) noexcept {
  localproxy::test::release(block);
}
void operator delete(void* block, size_t) noexcept {
  localproxy::test::release(block);
}
