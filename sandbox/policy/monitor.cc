// monitor: dials, binds, and starts the three helpers. A filter is inherited over exec, so this one also has
// what a helper needs between its start and its own, narrower filter; what that is, is marked "start of a
// helper".
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>

#include "sandbox/policy.h"

namespace localproxy::sandbox {
namespace {

constexpr std::array kRules = {
    // Dialling and listening.
    allow(SCMP_SYS(socket), equals(0, AF_INET), "the tunnel, local services, listeners"),
    allow(SCMP_SYS(socket), equals(0, AF_INET6), "the tunnel, local services, listeners"),
    allow(SCMP_SYS(socket), equals(0, AF_UNIX), "local services on a path; nscd for resolve"),
    allow(SCMP_SYS(socket), equals(0, AF_NETLINK), "resolve"),
    allow(SCMP_SYS(bind), "listeners; the local address to connect from"),
    allow(SCMP_SYS(listen), "listeners, once the tunnel is up"),
    allow(SCMP_SYS(connect), "the tunnel, local services"),
    allow(SCMP_SYS(getsockname), "which free port a listener got"),
    allow(SCMP_SYS(getpeername), "resolve"),
    allow(SCMP_SYS(getsockopt), "how a connect ended"),
    allow(SCMP_SYS(setsockopt), "options of sockets that are handed on"),
    allow(SCMP_SYS(sendmsg), "descriptors go to the helpers"),
    // Starting and ending helpers.
    allow(SCMP_SYS(socketpair), equals(0, AF_UNIX), "channels between the processes"),
    allow(SCMP_SYS(pipe2), "standard error of a helper"),
    allow(SCMP_SYS(clone), "fork of a helper"),
    refuse(SCMP_SYS(clone3), ENOSYS, "libc falls back to clone, whose flags a filter can see"),
    allow(SCMP_SYS(execveat), "a helper, by the descriptor that was opened at the start"),
    allow(SCMP_SYS(wait4), "how a helper ended"),
    allow(SCMP_SYS(kill), "a helper that does not stop"),
    allow(SCMP_SYS(dup2), "fixed descriptor numbers of a helper"),
    allow(SCMP_SYS(dup3), "fixed descriptor numbers of a helper, on architectures without dup2"),
    allow(SCMP_SYS(close_range), "a helper gets no other descriptor"),
    allow(SCMP_SYS(fcntl), "flags of descriptors"),
    allow(SCMP_SYS(openat), "the token file is read again; start of a helper"),
    allow(SCMP_SYS(unlink), "UNIX sockets of listeners are removed at the end"),
    allow(SCMP_SYS(umask), "UNIX sockets of listeners are this user's alone"),
    allow(SCMP_SYS(epoll_create1), "start of a helper: its event loop"),
    allow(SCMP_SYS(rt_sigaction), "start of a helper: signals"),
    // The loader, libc and the sandbox of a helper.
    allow(SCMP_SYS(access), "start of a helper: loader"),
    allow(SCMP_SYS(newfstatat), "start of a helper: loader, certificates"),
    allow(SCMP_SYS(fstat), "start of a helper: loader, certificates"),
    allow(SCMP_SYS(statx), "start of a helper: loader"),
    allow(SCMP_SYS(pread64), "start of a helper: loader"),
    allow(SCMP_SYS(lseek), "start of a helper: certificates"),
    allow(SCMP_SYS(getdents64), "start of a helper: directories of certificates"),
    allow(SCMP_SYS(readlink), "start of a helper: loader"),
    allow(SCMP_SYS(mmap), "start of a helper: code of libraries"),
    allow(SCMP_SYS(mprotect), "start of a helper: relocations become read-only"),
    allow(SCMP_SYS(arch_prctl), "start of a helper: thread pointer"),
    allow(SCMP_SYS(set_tid_address), "start of a helper: libc"),
    allow(SCMP_SYS(set_robust_list), "start of a helper: libc"),
    allow(SCMP_SYS(rseq), "start of a helper: libc"),
    allow(SCMP_SYS(prlimit64), "start of a helper: limits"),
    allow(SCMP_SYS(setrlimit), "start of a helper: limits"),
    allow(SCMP_SYS(getrlimit), "start of a helper: limits"),
    allow(SCMP_SYS(uname), "start of a helper: libcap-ng, libseccomp"),
    allow(SCMP_SYS(sysinfo), "start of a helper: memory of the machine"),
    allow(SCMP_SYS(sched_getaffinity), "start of a helper: libc"),
    allow(SCMP_SYS(getuid), "start of a helper: who am I"),
    allow(SCMP_SYS(geteuid), "start of a helper: who am I"),
    allow(SCMP_SYS(getgid), "start of a helper: who am I"),
    allow(SCMP_SYS(getegid), "start of a helper: who am I"),
    allow(SCMP_SYS(getppid), "start of a helper: is the monitor still there"),
    allow(SCMP_SYS(gettid), "start of a helper: libcap-ng"),
    allow(SCMP_SYS(prctl), "start of a helper: death signal, not dumpable, no-new-privs"),
    allow(SCMP_SYS(capget), "start of a helper: capabilities"),
    allow(SCMP_SYS(capset), "start of a helper: capabilities"),
    allow(SCMP_SYS(statfs), "start of a helper: libcap-ng"),
    allow(SCMP_SYS(fstatfs), "start of a helper: libcap-ng"),
    allow(SCMP_SYS(landlock_create_ruleset), "start of a helper: Landlock"),
    allow(SCMP_SYS(landlock_add_rule), "start of a helper: Landlock"),
    allow(SCMP_SYS(landlock_restrict_self), "start of a helper: Landlock"),
    allow(SCMP_SYS(seccomp), "start of a helper: its own filter"),
    // What the helpers' own filters allow and this one must not take away.
    allow(SCMP_SYS(accept4), "bridge"),
    allow(SCMP_SYS(splice), "bridge"),
    allow(SCMP_SYS(poll), "resolve"),
    allow(SCMP_SYS(ppoll), "resolve"),
    allow(SCMP_SYS(sendto), "resolve"),
    allow(SCMP_SYS(sendmmsg), "resolve"),
    allow(SCMP_SYS(recvfrom), "resolve"),
    allow(SCMP_SYS(writev), "resolve"),
    allow(SCMP_SYS(ioctl), equals(1, SIOCOUTQ), "bridge"),
    allow(SCMP_SYS(ioctl), equals(1, FIONREAD), "resolve"),
    allow(SCMP_SYS(clock_nanosleep), "resolve"),
};

}  // namespace

const Policy kMonitorPolicy{"monitor", kRules, true, true};

}  // namespace localproxy::sandbox
