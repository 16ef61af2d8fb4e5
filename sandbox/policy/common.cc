// What libc, libstdc++ and the event loop need in every role.
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include <array>

#include "sandbox/policy.h"

namespace localproxy::sandbox {
namespace {

constexpr std::array kRules = {
    allow(SCMP_SYS(write), "channels, sockets, standard error"),
    allow(SCMP_SYS(close), "closes descriptors"),
    allow(SCMP_SYS(epoll_wait), "the event loop"),
    allow(SCMP_SYS(epoll_pwait), "the event loop, on architectures without epoll_wait"),
    allow(SCMP_SYS(epoll_ctl), "the event loop"),
    allow(SCMP_SYS(brk), "malloc"),
    allow(SCMP_SYS(mmap), none_of(2, PROT_EXEC), all_of(3, MAP_PRIVATE | MAP_ANONYMOUS),
          "malloc of large blocks: never executable, anonymous, private"),
    allow(SCMP_SYS(munmap), "malloc"),
    allow(SCMP_SYS(mremap), "realloc of large blocks"),
    allow(SCMP_SYS(madvise), "malloc gives memory back"),
    allow(SCMP_SYS(futex), "C++ run-time guards"),
    allow(SCMP_SYS(clock_gettime), "time, where the vDSO does not answer"),
    allow(SCMP_SYS(gettimeofday), "time, where the vDSO does not answer"),
    allow(SCMP_SYS(prctl), equals(0, PR_GET_SECCOMP), "the sandbox verifies itself"),
    allow(SCMP_SYS(exit_group), "exit"),
};

}  // namespace

std::span<const Rule> common_rules() {
  return kRules;
}

}  // namespace localproxy::sandbox
