// Memory for secrets: it is never written to a swap device, is left out of core files, and a forked child
// finds zeros in it.
//
// Small pieces come from one area of kLockedArea bytes, which is reserved at its first use. Larger ones (a
// whole configuration file that may have a token in it) are locked separately. Some systems let a process
// lock no memory (containers without CAP_IPC_LOCK, RLIMIT_MEMLOCK 0): there it stays unlocked, and
// lock_failure() says why.
#pragma once

#include <cstddef>
#include <string>

namespace localproxy {

// Room for eight of the longest tokens and the other secrets of a run; half of what Linux before 5.16 lets an
// ordinary user lock (RLIMIT_MEMLOCK).
inline constexpr size_t kLockedArea = 32 * 1024;

// Reserves the area now, for a process whose system call filter will not allow mlock().
void reserve_locked_memory();

// Why some of it is not locked; empty if all of it is.
std::string lock_failure();

// size > 0. The memory is zero.
char* locked_allocate(size_t size);
// Overwrites and frees it. size: as passed to locked_allocate().
void locked_free(char* memory, size_t size);

}  // namespace localproxy
