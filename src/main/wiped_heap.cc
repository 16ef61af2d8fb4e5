// Overwrites memory before it is freed, in a program that is linked with this: every container that ever held
// a byte of a connection, however it ends.
#include <stdlib.h>

#include <new>

#include "base/secret.h"

void* operator new(size_t size) {
  void* const block = ::malloc(size > 0 ? size : 1);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}
void operator delete(void* block) noexcept {
  localproxy::wiped_free(block);
}
void operator delete(void* block, size_t) noexcept {
  localproxy::wiped_free(block);
}
