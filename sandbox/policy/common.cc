// What libc, libstdc++ and the event loop need in every role.
#include <errno.h>
#include <linux/futex.h>
#include <linux/mman.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include <array>

#include "sandbox/policy.h"

namespace localproxy::sandbox {
namespace {

// From CLOCK_REALTIME, 0, to CLOCK_BOOTTIME, 7: no clock of another process, none behind a descriptor.
constexpr uint32_t kClocks = 7;
constexpr uint32_t kHugePageSize = uint32_t{MAP_HUGE_MASK} << MAP_HUGE_SHIFT;

constexpr std::array kRules = {
    allow(SCMP_SYS(write), "channels, sockets, standard error"),
    allow(SCMP_SYS(close), "closes descriptors"),
    allow(SCMP_SYS(epoll_wait), "the event loop"),
    allow(SCMP_SYS(epoll_pwait), "the event loop, on architectures without epoll_wait"),
    allow(SCMP_SYS(epoll_ctl), "the event loop"),
    allow(SCMP_SYS(brk), "malloc"),
    allow(SCMP_SYS(mmap), none_of(2, PROT_EXEC), equals(3, MAP_PRIVATE | MAP_ANONYMOUS),
          "malloc of large blocks: never executable, anonymous, private, where the kernel likes"),
    refuse(SCMP_SYS(mmap), equals_but(3, kHugePageSize, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB), ENOMEM,
           "malloc, if GLIBC_TUNABLES asks for reserved huge pages: it goes on with small ones"),
    allow(SCMP_SYS(munmap), "malloc"),
    allow(SCMP_SYS(mremap), equals(3, MREMAP_MAYMOVE), "realloc of large blocks"),
    allow(SCMP_SYS(madvise), equals(2, MADV_DONTNEED), "malloc and wiped stacks give memory back"),
    refuse(SCMP_SYS(madvise), equals(2, MADV_HUGEPAGE), EINVAL,
           "malloc, if GLIBC_TUNABLES or the architecture asks for huge pages: it ignores the error"),
    allow(SCMP_SYS(futex), equals(1, FUTEX_WAKE_PRIVATE),
          "pthread_once() wakes others, always; in one thread a wait would have no end"),
    allow(SCMP_SYS(clock_gettime), only(0, kClocks), "time, where the vDSO does not answer"),
    allow(SCMP_SYS(gettimeofday), "time, where the vDSO does not answer"),
    allow(SCMP_SYS(prctl), equals(0, PR_GET_SECCOMP), "the sandbox verifies itself"),
    allow(SCMP_SYS(exit_group), "exit"),
};

}  // namespace

std::span<const Rule> common_rules() {
  return kRules;
}

}  // namespace localproxy::sandbox
