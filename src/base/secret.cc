#include "base/secret.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>

namespace localproxy {

__attribute__((noinline)) void wipe_stack() {
  std::array<char, 128 * 1024> below;  // several times what any path through the program uses
  wipe(below.data(), below.size());
  // Copying zeros overwrites the registers that copying a secret of the same size went through. The pointer
  // is volatile so that the compiler keeps the calls to libc's function.
  void* (*volatile copy)(void*, const void*, size_t) = ::memmove;
  for (size_t size = 8; size <= 8'192; size *= 2)
    copy(below.data() + below.size() / 2, below.data(), size - 1);
  wipe(below.data(), below.size());
  // Whole pages of it go back to the kernel: hardly anything else reaches as deep into the stack. It may
  // refuse.
  const auto page = static_cast<size_t>(::getpagesize());
  const size_t to_page = (page - reinterpret_cast<uintptr_t>(below.data()) % page) % page;
  ::madvise(below.data() + to_page, (below.size() - to_page) / page * page, MADV_DONTNEED);
}

}  // namespace localproxy
