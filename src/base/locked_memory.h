// Memory for secrets: it is never written to a swap device, is left out of core files, and a forked child
// finds zeros in it.
//
// Small pieces come from one area of kLockedArea bytes, which is set aside when it is first asked for; larger
// ones (a whole configuration file that may have a token in it) are locked each for itself. A system that
// does not let a process lock memory ends it: a secret is not put anywhere else.
#pragma once

#include <cstddef>

namespace localproxy {

// Eight of the longest tokens and what else is secret of a run; half of what Linux before 5.16 lets an
// ordinary user lock (RLIMIT_MEMLOCK).
inline constexpr size_t kLockedArea = 32 * 1024;

// Sets the area aside now. For a process whose system call filter has no mlock().
void reserve_locked_memory();

// size > 0. The memory is zero.
char* locked_allocate(size_t size);
// Overwrites it and gives it back. size: as it was asked for.
void locked_free(char* memory, size_t size);

}  // namespace localproxy
