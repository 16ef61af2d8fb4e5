// The 32-bit variants of the system calls that the policies name. 32-bit kernels have them besides, or
// instead of, those of 64-bit ones, and libc uses whichever it finds.
#include <seccomp.h>

#include <array>

#include "sandbox/policy.h"

namespace localproxy::sandbox {
namespace {

constexpr std::array kVariants = {
    // Wider offsets and sizes of files.
    Variant{SCMP_SYS(mmap), SCMP_SYS(mmap2), "its offset counts pages"},
    Variant{SCMP_SYS(lseek), SCMP_SYS(_llseek), "its offset is in two registers"},
    Variant{SCMP_SYS(fcntl), SCMP_SYS(fcntl64), "the same commands"},
    Variant{SCMP_SYS(fstat), SCMP_SYS(fstat64), "wider sizes"},
    Variant{SCMP_SYS(newfstatat), SCMP_SYS(fstatat64), "wider sizes"},
    Variant{SCMP_SYS(newfstatat), SCMP_SYS(statx), "wider times; libc tries it first"},
    Variant{SCMP_SYS(fstat), SCMP_SYS(statx), "wider times; libc tries it first"},
    Variant{SCMP_SYS(fstatfs), SCMP_SYS(fstatfs64), "wider sizes"},
    // Wider times (Linux 5.1), which libc tries first regardless of its own time_t.
    Variant{SCMP_SYS(clock_gettime), SCMP_SYS(clock_gettime64), "wider time"},
    Variant{SCMP_SYS(futex), SCMP_SYS(futex_time64), "wider timeout"},
    Variant{SCMP_SYS(ppoll), SCMP_SYS(ppoll_time64), "wider timeout"},
    // User and group ids of more than 16 bits.
    Variant{SCMP_SYS(getuid), SCMP_SYS(getuid32), "wider id"},
    Variant{SCMP_SYS(geteuid), SCMP_SYS(geteuid32), "wider id"},
    Variant{SCMP_SYS(getgid), SCMP_SYS(getgid32), "wider id"},
    Variant{SCMP_SYS(getegid), SCMP_SYS(getegid32), "wider id"},
    // Calls of their own, with the flags in the same place.
    Variant{SCMP_SYS(recvfrom), SCMP_SYS(recv), "without an address"},
    Variant{SCMP_SYS(sendto), SCMP_SYS(send), "without an address"},
    Variant{SCMP_SYS(rt_sigreturn), SCMP_SYS(sigreturn), "end of a handler that takes no siginfo_t"},
};

}  // namespace

std::span<const Variant> variants_32bit() {
  return kVariants;
}

}  // namespace localproxy::sandbox
