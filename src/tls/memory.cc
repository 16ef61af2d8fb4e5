#include "tls/memory.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>

#include "base/log.h"
#include "base/secret.h"

namespace localproxy::tls {
namespace {

void* allocate(size_t size, const char*, int) {
  return ::malloc(size);
}

void release(void* block, const char*, int) {
  wiped_free(block);
}

// realloc() would leave the old block as it was.
void* reallocate(void* block, size_t size, const char*, int) {
  if (size == 0) {
    wiped_free(block);
    return nullptr;
  }
  void* const grown = ::malloc(size);
  if (grown == nullptr || block == nullptr) return grown;
  ::memcpy(grown, block, std::min(size, ::malloc_usable_size(block)));
  wiped_free(block);
  return grown;
}

}  // namespace

void wipe_freed_memory() {
  check(CRYPTO_set_mem_functions(allocate, reallocate, release) == 1, "OpenSSL has allocated memory already");
}

}  // namespace localproxy::tls
