// launch: starts the helpers. A filter is inherited over exec, so this one also has what a helper needs
// between its start and its own, narrower filter, marked "start", and what those filters allow, marked with
// the role. It is the widest of all, and the process behind it the one with the least: no secret, no socket
// of a connection, nothing from outside.
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <array>

#include "sandbox/policy.h"

namespace localproxy::sandbox {
namespace {

constexpr std::array kRules = {
    allow(SCMP_SYS(recvmsg), "what the monitor asks for, with descriptors; net, bridge"),
    allow(SCMP_SYS(recvfrom), "notes of signals; resolve"),
    allow(SCMP_SYS(read), "start: loader, certificates; net, bridge, resolve"),
    allow(SCMP_SYS(sendmsg), "net, bridge, resolve"),
    allow(SCMP_SYS(socketpair), equals(0, AF_UNIX), "bridge: channels of connections"),
    allow(SCMP_SYS(clone), "fork of a helper"),
    refuse(SCMP_SYS(clone3), ENOSYS, "libc falls back to clone, whose flags a filter can see"),
    allow(SCMP_SYS(execveat), "a helper, by its descriptor; Landlock has the files"),
    allow(SCMP_SYS(wait4), "how a helper ended"),
    allow(SCMP_SYS(kill), "a helper that does not stop"),
    allow(SCMP_SYS(dup3), "fixed descriptor numbers of a helper"),
    allow(SCMP_SYS(close_range), "a helper gets no other descriptor"),
    allow(SCMP_SYS(fcntl), "descriptors of a helper move to their numbers; resolve"),
    allow(SCMP_SYS(rt_sigaction), "start: signals"),
    allow(SCMP_SYS(epoll_create1), "start: its event loop"),
    // The loader and libc.
    allow(SCMP_SYS(openat), "start: loader, certificates; resolve; Landlock has the files"),
    allow(SCMP_SYS(access), "start: loader"),
    allow(SCMP_SYS(newfstatat), "start: loader, certificates"),
    allow(SCMP_SYS(fstat), "start: loader, certificates"),
    allow(SCMP_SYS(statx), "start: loader"),
    allow(SCMP_SYS(pread64), "start: loader"),
    allow(SCMP_SYS(lseek), "start: certificates"),
    allow(SCMP_SYS(getdents64), "start: directories of certificates"),
    allow(SCMP_SYS(readlink), "start: loader"),
    allow(SCMP_SYS(mmap), "start: code of libraries"),
    allow(SCMP_SYS(mprotect), "start: relocations become read-only"),
    allow(SCMP_SYS(arch_prctl), "start: thread pointer"),
    allow(SCMP_SYS(set_tid_address), "start: libc"),
    allow(SCMP_SYS(set_robust_list), "start: libc"),
    allow(SCMP_SYS(rseq), "start: libc"),
    allow(SCMP_SYS(mlock), "start: memory for tokens in net"),
    allow(SCMP_SYS(sysinfo), "start: memory of the machine"),
    allow(SCMP_SYS(sched_getaffinity), "start: libc"),
    allow(SCMP_SYS(getuid), "start: who am I"),
    allow(SCMP_SYS(geteuid), "start: who am I"),
    allow(SCMP_SYS(getgid), "start: who am I"),
    allow(SCMP_SYS(getegid), "start: who am I"),
    allow(SCMP_SYS(getppid), "start: is the parent still there"),
    allow(SCMP_SYS(gettid), "start: libcap-ng"),
    // Its sandbox.
    allow(SCMP_SYS(unshare),
          equals(0, CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS),
          "start: namespaces of its own"),
    allow(SCMP_SYS(chroot), "start: an empty root"),
    allow(SCMP_SYS(chdir), "start: an empty root"),
    allow(SCMP_SYS(prlimit64), "start: limits"),
    allow(SCMP_SYS(setrlimit), "start: limits"),
    allow(SCMP_SYS(getrlimit), "start: limits"),
    allow(SCMP_SYS(uname), "start: libcap-ng, libseccomp"),
    allow(SCMP_SYS(prctl), "start: death signal, not dumpable, no-new-privs"),
    allow(SCMP_SYS(capget), "start: capabilities"),
    allow(SCMP_SYS(capset), "start: capabilities"),
    allow(SCMP_SYS(statfs), "start: libcap-ng"),
    allow(SCMP_SYS(fstatfs), "start: libcap-ng"),
    allow(SCMP_SYS(pipe2), "start: libseccomp writes its program to a pipe; bridge"),
    allow(SCMP_SYS(landlock_create_ruleset), "start: Landlock"),
    allow(SCMP_SYS(landlock_add_rule), "start: Landlock"),
    allow(SCMP_SYS(landlock_restrict_self), "start: Landlock"),
    allow(SCMP_SYS(seccomp), "start: its own filter"),
    // What the helpers' own filters allow.
    allow(SCMP_SYS(shutdown), "bridge, net"),
    allow(SCMP_SYS(accept4), "bridge"),
    allow(SCMP_SYS(splice), "bridge"),
    allow(SCMP_SYS(getsockopt), "net, bridge, resolve"),
    allow(SCMP_SYS(setsockopt), "bridge, resolve"),
    allow(SCMP_SYS(socket), equals(0, AF_INET), "resolve"),
    allow(SCMP_SYS(socket), equals(0, AF_INET6), "resolve"),
    allow(SCMP_SYS(socket), equals(0, AF_UNIX), "resolve: nscd, systemd-resolved"),
    allow(SCMP_SYS(socket), equals(0, AF_NETLINK), "resolve"),
    allow(SCMP_SYS(bind), "resolve: netlink"),
    allow(SCMP_SYS(connect), "resolve; Landlock has the ports"),
    allow(SCMP_SYS(getsockname), "resolve"),
    allow(SCMP_SYS(getpeername), "resolve"),
    allow(SCMP_SYS(poll), "resolve"),
    allow(SCMP_SYS(ppoll), "resolve"),
    allow(SCMP_SYS(sendto), "resolve"),
    allow(SCMP_SYS(sendmmsg), "resolve"),
    allow(SCMP_SYS(writev), "resolve"),
    allow(SCMP_SYS(ioctl), equals(1, SIOCOUTQ), "bridge"),
    allow(SCMP_SYS(ioctl), equals(1, FIONREAD), "resolve"),
    allow(SCMP_SYS(clock_nanosleep), "resolve"),
};

}  // namespace

const Policy kLaunchPolicy{.role = "launch", .rules = kRules, .may_fork = true};

}  // namespace localproxy::sandbox
