#include "base/secret.h"

#include <array>

namespace localproxy {

__attribute__((noinline)) void wipe_stack() {
  std::array<char, 128 * 1024> below;  // several times what any path through the program takes
  wipe(below.data(), below.size());
  // Registers, too: copying zeros goes through the same ones as copying a secret of the same size did.
  // The call must be libc's, whatever the compiler thinks of copying zeros.
  void* (*volatile copy)(void*, const void*, size_t) = ::memmove;
  for (size_t size = 8; size <= 8'192; size *= 2)
    copy(below.data() + below.size() / 2, below.data(), size - 1);
  wipe(below.data(), below.size());
}

}  // namespace localproxy
