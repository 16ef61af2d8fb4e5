// Memory for secrets: it is never written to a swap device, is left out of core files, and a forked child
// finds zeros in it.
//
// Small pieces come from one area of kLockedArea bytes, which is set aside when it is first asked for; larger
// ones (a whole configuration file that may have a token in it) are locked each for itself. Some systems let
// a process lock no memory (containers without CAP_IPC_LOCK, RLIMIT_MEMLOCK 0): there it is not locked, and
// lock_failure() says why.
#pragma once

#include <cstddef>
#include <string>

namespace localproxy {

// Eight of the longest tokens and what else is secret of a run; half of what Linux before 5.16 lets an
// ordinary user lock (RLIMIT_MEMLOCK).
inline constexpr size_t kLockedArea = 32 * 1024;

// Sets the area aside now. For a process whose system call filter has no mlock().
void reserve_locked_memory();

// Why not all of it is locked; empty: it is.
std::string lock_failure();

// size > 0. The memory is zero.
char* locked_allocate(size_t size);
// Overwrites it and gives it back. size: as it was asked for.
void locked_free(char* memory, size_t size);

}  // namespace localproxy
