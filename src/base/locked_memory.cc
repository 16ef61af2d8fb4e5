#include "base/locked_memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <array>
#include <string>

#include "base/log.h"
#include "base/result.h"

namespace localproxy {
namespace {

// Pieces are multiples of this.
constexpr size_t kBlock = 64;

int failure = 0;  // errno of the last lock that failed

char* map_locked(size_t size) {
  void* const memory =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) fatal("no memory for a secret");
  if (::mlock(memory, size) != 0) failure = errno;
  if (::madvise(memory, size, MADV_DONTDUMP) != 0 || ::madvise(memory, size, MADV_WIPEONFORK) != 0)
    fatal("cannot keep secrets out of core files and forks: " + error_text(errno));
  return static_cast<char*>(memory);
}

class Area {
 public:
  // Null: there is no room.
  char* take(size_t size) {
    const size_t wanted = blocks(size);
    size_t free = 0;
    for (size_t i = 0; i < used_.size(); ++i) {
      free = used_[i] ? 0 : free + 1;
      if (free < wanted) continue;
      mark(i + 1 - wanted, wanted, true);
      return memory_ + (i + 1 - wanted) * kBlock;
    }
    return nullptr;
  }
  bool has(const char* memory) const { return memory >= memory_ && memory < memory_ + kLockedArea; }
  void give_back(const char* memory, size_t size) {
    mark(static_cast<size_t>(memory - memory_) / kBlock, blocks(size), false);
  }

 private:
  static size_t blocks(size_t size) { return (size + kBlock - 1) / kBlock; }
  void mark(size_t first, size_t count, bool used) {
    for (size_t i = first; i < first + count; ++i)
      used_[i] = used;
  }

  char* const memory_ = map_locked(kLockedArea);
  std::array<bool, kLockedArea / kBlock> used_{};
};

Area& area() {
  static Area area;
  return area;
}

}  // namespace

void reserve_locked_memory() {
  area();
}

std::string lock_failure() {
  return failure == 0 ? std::string() : error_text(failure);
}

char* locked_allocate(size_t size) {
  char* const small = size <= kLockedArea ? area().take(size) : nullptr;
  return small != nullptr ? small : map_locked(size);
}

void locked_free(char* memory, size_t size) {
  ::explicit_bzero(memory, size);
  if (area().has(memory)) return area().give_back(memory, size);
  ::munmap(memory, size);
}

}  // namespace localproxy
