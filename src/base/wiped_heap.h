// Gives memory of malloc() back with nothing in it, for processes whose heap has seen keys and plaintext.
#pragma once

#include <malloc.h>
#include <stdlib.h>

#include "base/secret.h"

namespace localproxy {

// Like free(), after overwriting all of the block.
inline void wiped_free(void* block) {
  if (block == nullptr) return;
  wipe(block, ::malloc_usable_size(block));
  ::free(block);
}

}  // namespace localproxy
