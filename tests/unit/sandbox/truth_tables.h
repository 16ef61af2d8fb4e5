// What each role may and may not call, written by hand from what the roles do, and not derived from the
// policies.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "sandbox/policy.h"

namespace localproxy::sandbox::test {

using Names = std::set<std::string>;
using Arguments = std::array<uint64_t, 6>;

struct Row {
  const char* call;
  Arguments arguments;
  bool allowed;
  int error = 0;  // of a call that is refused without killing

  // The filter's verdict.
  uint32_t verdict() const {
    if (allowed) return SECCOMP_RET_ALLOW;
    return error == 0 ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | static_cast<uint32_t>(error);
  }
};

struct Role {
  const Policy* policy;
  Names free;         // allowed with any arguments
  Names conditional;  // allowed with some
  std::vector<Row> rows;
  Needs needs = 0;  // of the run
};

inline constexpr uint64_t kNew = SOCK_CLOEXEC | SOCK_NONBLOCK;
inline constexpr uint64_t kFork = CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD;
inline constexpr uint64_t kPrSetMdwe = 65;  // newer than the headers of Debian 12
inline constexpr uint64_t kOwnNamespaces =
    CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;

// Another name of a call on 32-bit architectures, with the arguments that matter at the same index.
struct Narrow {
  const char* of;
  const char* call;
};
inline constexpr Narrow kNarrow[] = {
    {"mmap", "mmap2"},         {"lseek", "_llseek"},      {"fcntl", "fcntl64"},
    {"fstat", "fstat64"},      {"fstat", "statx"},        {"newfstatat", "fstatat64"},
    {"newfstatat", "statx"},   {"fstatfs", "fstatfs64"},  {"clock_gettime", "clock_gettime64"},
    {"futex", "futex_time64"}, {"ppoll", "ppoll_time64"}, {"getuid", "getuid32"},
    {"geteuid", "geteuid32"},  {"getgid", "getgid32"},    {"getegid", "getegid32"},
    {"recvfrom", "recv"},      {"sendto", "send"},        {"rt_sigreturn", "sigreturn"}};

inline const Names kCommonFree = {"write", "close",  "epoll_wait",   "epoll_pwait", "epoll_ctl",
                                  "brk",   "munmap", "gettimeofday", "exit_group"};
constexpr uint64_t kDroppable = 0x08 | MAP_ANONYMOUS;  // newer than the headers of Debian 13
constexpr uint64_t kAnonymous = MAP_PRIVATE | MAP_ANONYMOUS;

inline const Names kCommonConditional = {"mmap", "mremap", "madvise", "futex", "clock_gettime", "prctl"};
inline const std::vector<Row> kCommonRows = {
    {"mmap", {0, 4096, PROT_READ | PROT_WRITE, kAnonymous}, true},
    {"mmap", {0, 4096, PROT_READ | PROT_WRITE, kAnonymous | MAP_HUGETLB}, false, ENOMEM},
    {"mmap",
     {0, 4096, PROT_READ | PROT_WRITE, kAnonymous | MAP_HUGETLB | 21U << MAP_HUGE_SHIFT},
     false,
     ENOMEM},
    {"mremap", {0, 4096, 8192, MREMAP_MAYMOVE}, true},
    {"mremap", {0, 4096, 8192, 0}, false},
    {"mremap", {0, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED}, false},
    {"mremap", {0, 4096, 4096, MREMAP_MAYMOVE | MREMAP_DONTUNMAP}, false},
    {"madvise", {0, 4096, MADV_DONTNEED}, true},
    {"madvise", {0, 4096, MADV_HUGEPAGE}, false, EINVAL},
    {"futex", {0, FUTEX_WAKE_PRIVATE}, true},
    {"clock_gettime", {CLOCK_REALTIME}, true},
    {"clock_gettime", {CLOCK_MONOTONIC}, true},
    {"clock_gettime", {CLOCK_BOOTTIME}, true},
    {"prctl", {PR_GET_SECCOMP}, true},
};
// Calls that no role may make.
inline const std::vector<Row> kForbiddenRows = {
    {"mmap", {0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, kAnonymous}, false},
    {"mmap", {0, 4096, PROT_WRITE | PROT_EXEC, kAnonymous}, false},
    {"mmap", {0, 4096, PROT_READ | PROT_WRITE, kAnonymous | MAP_GROWSDOWN}, false},
    {"mmap", {0, 4096, PROT_READ | PROT_WRITE, kAnonymous | MAP_POPULATE}, false},
    {"mmap", {0, 4096, PROT_READ | PROT_WRITE, kAnonymous | MAP_LOCKED}, false},
    {"mmap", {0, 4096, PROT_READ, MAP_SHARED_VALIDATE | MAP_SYNC}, false},
    {"madvise", {0, 4096, MADV_REMOVE}, false},
    {"madvise", {0, 4096, MADV_FREE}, false},
    {"madvise", {0, 4096, MADV_MERGEABLE}, false},
    {"madvise", {0, 4096, MADV_DODUMP}, false},
    {"madvise", {0, 4096, MADV_KEEPONFORK}, false},
    {"madvise", {0, 4096, MADV_HWPOISON}, false},
    {"futex", {0, FUTEX_WAKE}, false},
    {"futex", {0, FUTEX_WAIT_PRIVATE}, false},
    {"futex", {0, FUTEX_WAIT}, false},
    {"futex", {0, FUTEX_CMP_REQUEUE_PI_PRIVATE}, false},
    {"futex", {0, FUTEX_LOCK_PI_PRIVATE}, false},
    {"futex", {0, FUTEX_WAKE_OP_PRIVATE}, false},
    {"clock_gettime", {8 /* CLOCK_REALTIME_ALARM */}, false},
    {"clock_gettime", {CLOCK_TAI}, false},
    {"clock_gettime", {0xffff'ffff'ffff'fffa /* of a process */}, false},
    {"clock_gettime", {3U | ~7U /* of a descriptor */}, false},
    {"prctl", {PR_SET_SECCOMP}, false},
    {"prctl", {PR_SET_KEEPCAPS, 1}, false},
    {"fcntl", {0, F_DUPFD, 10}, false},
    {"fcntl", {0, F_SETOWN, 1}, false},
    {"fcntl", {0, F_SETLEASE, F_WRLCK}, false},
};
// Calls that only launch may make, since it has to start the other roles.
inline const std::vector<Row> kForbiddenToHelpersRows = {
    {"madvise", {0, 4096, MADV_DONTDUMP}, false},
    {"madvise", {0, 4096, MADV_WIPEONFORK}, false},
    {"mmap", {0, 4096, PROT_READ | PROT_WRITE, kAnonymous | MAP_NORESERVE}, false},
    {"prctl", {PR_SET_DUMPABLE, 1}, false},
    {"prctl", {PR_CAP_AMBIENT}, false},
    {"fcntl", {0, F_DUPFD_CLOEXEC, 10}, false},
};

inline const Role kMonitor{
    &kMonitorPolicy,
    {"connect", "bind", "listen", "getsockname", "umask", "newfstatat", "unlink", "geteuid", "fstat",
     "pread64", "wait4", "rt_sigaction", "rt_sigreturn", "rt_sigprocmask"},
    {"recvfrom", "sendmsg", "socketpair", "socket", "getsockopt", "setsockopt", "openat", "fcntl",
     "unlinkat"},
    {
        {"mmap", {0, 4096, PROT_READ, MAP_PRIVATE}, false},
        {"mmap", {0, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS}, false},
        {"unlinkat", {0, 0, 0}, true},
        {"unlinkat", {0, 0, AT_REMOVEDIR}, false},
        {"recvfrom", {3, 0, 10, MSG_TRUNC}, true},
        {"recvfrom", {3, 0, 10, 0}, false},
        {"recvfrom", {3, 0, 10, MSG_TRUNC | MSG_PEEK}, false},
        {"recvfrom", {3, 0, 10, MSG_OOB}, false},
        {"recvfrom", {3, 0, 10, MSG_TRUNC | MSG_ERRQUEUE}, false},
        {"sendmsg", {3, 0, MSG_NOSIGNAL}, true},
        {"sendmsg", {2, 0, MSG_NOSIGNAL | MSG_DONTWAIT}, true},
        {"sendmsg", {2, 0, MSG_DONTWAIT}, false},
        {"sendmsg", {3, 0, 0}, false},
        {"sendmsg", {3, 0, MSG_NOSIGNAL | MSG_FASTOPEN}, false},
        {"socketpair", {AF_UNIX, SOCK_SEQPACKET | kNew}, true},
        {"socketpair", {AF_UNIX, SOCK_STREAM | kNew}, false},
        {"socketpair", {AF_INET, SOCK_SEQPACKET | kNew}, false},
        {"socket", {AF_INET, SOCK_STREAM | kNew, 0}, true},
        {"socket", {AF_INET6, SOCK_STREAM | kNew, 0}, true},
        {"socket", {AF_UNIX, SOCK_STREAM | kNew, 0}, false},
        {"socket", {AF_INET, SOCK_DGRAM | kNew, 0}, false},
        {"socket", {AF_INET, SOCK_RAW | kNew, 0}, false},
        {"socket", {AF_INET6, SOCK_DGRAM | kNew, 0}, false},
        {"socket", {AF_INET, SOCK_STREAM | kNew, 262 /* MPTCP */}, false},
        {"socket", {AF_INET6, SOCK_STREAM | kNew, 132 /* SCTP */}, false},
        {"socket", {AF_UNIX, SOCK_DGRAM | kNew, 0}, false},
        {"socket", {AF_NETLINK, SOCK_RAW | kNew, 0}, false},
        {"socket", {AF_PACKET, SOCK_STREAM | kNew, 0}, false},
        {"getsockopt", {3, SOL_SOCKET, SO_ERROR}, true},
        {"getsockopt", {3, SOL_SOCKET, SO_PEERCRED}, false},
        {"getsockopt", {3, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE}, false},
        {"setsockopt", {3, SOL_SOCKET, SO_REUSEADDR}, true},
        {"setsockopt", {3, IPPROTO_IPV6, IPV6_V6ONLY}, true},
        {"setsockopt", {3, IPPROTO_TCP, TCP_NODELAY}, true},
        {"setsockopt", {3, IPPROTO_TCP, TCP_NOTSENT_LOWAT}, true},
        {"setsockopt", {3, SOL_SOCKET, SO_RCVBUF}, true},
        {"setsockopt", {3, SOL_SOCKET, SO_RCVBUFFORCE}, false},
        {"setsockopt", {3, IPPROTO_TCP, TCP_FASTOPEN_CONNECT}, false},
        {"setsockopt", {3, IPPROTO_TCP, TCP_ULP}, false},
        {"setsockopt", {3, SOL_SOCKET, SO_ATTACH_FILTER}, false},
        {"openat", {0, 0, O_RDONLY | O_CLOEXEC | O_NOCTTY}, true},
        {"openat", {0, 0, O_RDONLY | O_PATH}, false},
        {"openat", {0, 0, O_RDONLY | O_DIRECTORY}, false},
        {"openat", {0, 0, O_WRONLY}, false},
        {"openat", {0, 0, O_RDWR}, false},
        {"openat", {0, 0, O_RDONLY | O_CREAT}, false},
        {"openat", {0, 0, O_RDONLY | O_TRUNC}, false},
        {"openat", {0, 0, O_TMPFILE | O_WRONLY}, false},
        {"fcntl", {0, F_SETFL, 0}, true},
    }};

// The rows of a table, with these in place of its rows for the same calls.
inline std::vector<Row> replaced(std::vector<Row> rows, const std::vector<Row>& other) {
  for (const Row& row : other) {
    std::erase_if(rows, [&row](const Row& old) {
      return old.call == std::string(row.call) && old.arguments == row.arguments;
    });
    rows.push_back(row);
  }
  return rows;
}

// The monitor of a destination with a service on a path.
inline const Role kDialler{&kMonitorPolicy, kMonitor.free, kMonitor.conditional,
                           replaced(kMonitor.rows, {{"socket", {AF_UNIX, SOCK_STREAM | kNew, 0}, true}}),
                           kUnixSockets};

inline const Role kNet{&kNetPolicy,
                       {"read", "getpid", "rt_sigprocmask"},
                       {"recvmsg", "getrandom", "getsockopt"},
                       {
                           {"recvmsg", {3, 0, MSG_CMSG_CLOEXEC}, true},
                           {"recvmsg", {3, 0, 0}, false},
                           {"recvmsg", {3, 0, MSG_CMSG_CLOEXEC | MSG_PEEK}, false},
                           {"recvmsg", {3, 0, MSG_CMSG_CLOEXEC | MSG_OOB}, false},
                           {"recvmsg", {3, 0, MSG_CMSG_CLOEXEC | MSG_ERRQUEUE}, false},
                           {"getrandom", {0, 16, 0}, true},
                           {"getrandom", {0, 16, 2 /* GRND_RANDOM */}, false},
                           {"getsockopt", {3, SOL_SOCKET, SO_ERROR}, false},
                           {"mmap", {0, 4096, PROT_READ | PROT_WRITE, kDroppable}, true},
                           {"mmap", {0, 4096, PROT_READ, kDroppable}, false},
                           {"mmap", {0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, kDroppable}, false},
                           {"mmap", {0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS}, false},
                           {"getsockopt", {3, IPPROTO_TCP, TCP_INFO}, true},
                           {"getsockopt", {3, SOL_SOCKET, SO_PEERCRED}, false},
                           {"getsockopt", {3, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE}, false},
                           {"fcntl", {0, F_SETFL, 0}, false},
                       }};

inline const Role kBridge{
    &kBridgePolicy,
    {"read"},
    {"recvmsg", "shutdown", "accept4", "pipe2", "splice", "socketpair", "sendmsg", "setsockopt", "ioctl",
     "fcntl"},
    {
        {"recvmsg", {3, 0, MSG_CMSG_CLOEXEC}, true},
        {"recvmsg", {3, 0, 0}, false},
        {"recvmsg", {3, 0, MSG_CMSG_CLOEXEC | MSG_PEEK}, false},
        {"recvmsg", {3, 0, MSG_CMSG_CLOEXEC | MSG_OOB}, false},
        {"recvmsg", {3, 0, MSG_CMSG_CLOEXEC | MSG_ERRQUEUE}, false},
        {"shutdown", {3, SHUT_WR}, true},
        {"shutdown", {3, SHUT_RDWR}, false},
        {"accept4", {3, 0, 0, kNew}, true},
        {"accept4", {3, 0, 0, 0}, false},
        {"accept4", {3, 0, 0, SOCK_CLOEXEC}, false},
        {"pipe2", {0, O_CLOEXEC | O_NONBLOCK}, true},
        {"pipe2", {0, O_CLOEXEC | O_NONBLOCK | O_EXCL /* for watches of keys */}, false},
        {"pipe2", {0, O_CLOEXEC | O_NONBLOCK | O_DIRECT}, false},
        {"splice", {3, 0, 4, 0, 1, SPLICE_F_MOVE | SPLICE_F_NONBLOCK}, true},
        {"splice", {3, 0, 4, 0, 1, SPLICE_F_MOVE}, false},
        {"splice", {3, 0, 4, 0, 1, SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_GIFT}, false},
        {"socketpair", {AF_UNIX, SOCK_STREAM | kNew}, true},
        {"socketpair", {AF_UNIX, SOCK_DGRAM | kNew}, false},
        {"socketpair", {AF_INET, SOCK_STREAM | kNew}, false},
        {"sendmsg", {3, 0, MSG_NOSIGNAL}, true},
        {"sendmsg", {3, 0, MSG_NOSIGNAL | MSG_FASTOPEN}, false},
        {"sendmsg", {3, 0, MSG_OOB}, false},
        {"getsockopt", {3, SOL_SOCKET, SO_ERROR}, false},
        {"setsockopt", {3, SOL_SOCKET, SO_LINGER}, true},
        {"setsockopt", {3, IPPROTO_TCP, TCP_NODELAY}, true},
        {"setsockopt", {3, IPPROTO_TCP, TCP_REPAIR}, false},
        {"setsockopt", {3, IPPROTO_TCP, TCP_FASTOPEN_CONNECT}, false},
        {"setsockopt", {3, SOL_SOCKET, SO_BINDTODEVICE}, false},
        {"ioctl", {3, SIOCOUTQ}, true},
        {"ioctl", {3, TIOCSTI}, false},
        {"ioctl", {3, FIONREAD}, true},
        {"ioctl", {3, FIONBIO}, false},
        {"fcntl", {3, F_SETPIPE_SZ, 4096}, true},
        {"fcntl", {0, F_SETFL, 0}, false},
    }};

inline const Names kResolveFree = {"read",    "recvmsg",     "newfstatat",      "fstat",          "lseek",
                                   "pread64", "bind",        "connect",         "writev",         "poll",
                                   "ppoll",   "getsockname", "restart_syscall", "rt_sigprocmask", "getrandom",
                                   "getpid",  "uname"};
inline const Names kResolveConditional = {"sendto", "sendmmsg",   "recvfrom",   "openat", "mprotect",
                                          "socket", "getsockopt", "setsockopt", "ioctl",  "fcntl"};
inline const std::vector<Row> kResolveRows = {
    {"openat", {0, 0, O_RDONLY | O_CLOEXEC}, true},
    {"mmap", {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE}, true},
    {"mmap", {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED | MAP_DENYWRITE}, true},
    {"mmap", {0, 4096, PROT_READ | PROT_EXEC, MAP_SHARED}, false},
    {"mmap", {0, 4096, PROT_READ | PROT_EXEC, kAnonymous}, false},
    {"mmap", {0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE}, true},
    {"mmap", {0, 4096, PROT_READ | PROT_WRITE, kAnonymous | MAP_FIXED}, true},
    {"mmap", {0, 4096, PROT_READ, MAP_SHARED}, true},
    {"sendto", {3, 0, 10, 0}, true},
    {"sendto", {3, 0, 10, MSG_NOSIGNAL}, true},
    {"sendto", {3, 0, 10, MSG_NOSIGNAL | MSG_DONTWAIT}, true},
    {"sendto", {3, 0, 10, MSG_FASTOPEN}, false},
    {"sendto", {3, 0, 10, MSG_OOB}, false},
    {"sendmmsg", {3, 0, 2, MSG_NOSIGNAL}, true},
    {"sendmmsg", {3, 0, 2, MSG_FASTOPEN}, false},
    {"recvfrom", {3, 0, 10, 0}, true},
    {"recvfrom", {3, 0, 10, MSG_TRUNC}, true},
    {"recvfrom", {3, 0, 10, MSG_DONTWAIT}, true},
    {"recvfrom", {3, 0, 10, MSG_PEEK}, false},
    {"recvfrom", {3, 0, 10, MSG_ERRQUEUE}, false},
    {"mprotect", {0, 4096, PROT_READ}, true},
    {"mprotect", {0, 4096, PROT_READ | PROT_EXEC}, false},
    {"socket", {AF_INET, SOCK_DGRAM | kNew}, true},
    {"socket", {AF_INET, SOCK_STREAM | kNew}, true},
    {"socket", {AF_INET, SOCK_RAW}, false},
    {"socket", {AF_INET, SOCK_DGRAM, IPPROTO_ICMP}, false},
    {"socket", {AF_INET, SOCK_STREAM, 132 /* SCTP */}, false},
    {"socket", {AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6}, false},
    {"socket", {AF_INET6, SOCK_STREAM, 262 /* MPTCP */}, false},
    {"socket", {AF_INET6, SOCK_DGRAM}, true},
    {"socket", {AF_INET6, SOCK_STREAM}, true},
    {"socket", {AF_INET6, SOCK_RAW}, false},
    {"socket", {AF_UNIX, SOCK_STREAM}, false, EAFNOSUPPORT},
    {"socket", {AF_UNIX, SOCK_DGRAM}, false},
    {"socket", {AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE}, false, EAFNOSUPPORT},
    {"socket", {AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER}, false},
    {"socket", {AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG}, false},
    {"socket", {AF_PACKET, SOCK_RAW}, false},
    {"socket", {AF_ALG, SOCK_SEQPACKET}, false},
    {"socket", {AF_VSOCK, SOCK_STREAM}, false},
    {"getsockopt", {3, SOL_SOCKET, SO_PROTOCOL}, true},
    {"getsockopt", {3, SOL_SOCKET, SO_PEERCRED}, false},
    {"getsockopt", {3, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS}, true},
    {"getsockopt", {3, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE}, false},
    {"setsockopt", {3, IPPROTO_IP, IP_RECVERR}, true},
    {"setsockopt", {3, IPPROTO_IP, IP_TRANSPARENT}, false},
    {"setsockopt", {3, IPPROTO_IPV6, IPV6_RECVERR}, true},
    {"setsockopt", {3, SOL_NETLINK, NETLINK_EXT_ACK}, true},
    {"setsockopt", {3, SOL_NETLINK, NETLINK_GET_STRICT_CHK}, true},
    {"setsockopt", {3, SOL_NETLINK, NETLINK_PKTINFO}, true},
    {"setsockopt", {3, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP}, false},
    {"setsockopt", {3, SOL_SOCKET, SO_ATTACH_FILTER}, false},
    {"setsockopt", {3, IPPROTO_TCP, TCP_FASTOPEN_CONNECT}, false},
    {"ioctl", {3, FIONREAD}, true},
    {"ioctl", {3, TIOCSTI}, false},
    {"fcntl", {0, F_SETFD, 0}, true},
    {"fcntl", {0, F_GETFD, 0}, true},
    {"fcntl", {0, F_GETFL, 0}, true},
    {"fcntl", {0, F_SETFL, 0}, false},
    {"prctl", {PR_CAPBSET_READ}, true},
};
// Calls that no process that opens files may make.
inline const std::vector<Row> kNoWritingRows = {
    {"openat", {0, 0, O_WRONLY}, false},
    {"openat", {0, 0, O_RDWR}, false},
    {"openat", {0, 0, O_RDONLY | O_CREAT}, false},
    {"openat", {0, 0, O_RDONLY | O_TRUNC}, false},
    {"openat", {0, 0, O_TMPFILE | O_WRONLY}, false},
};

template <typename Table>
Table joined(std::initializer_list<Table> tables) {
  Table all;
  for (const Table& table : tables)
    std::ranges::copy(table, std::inserter(all, all.end()));
  return all;
}

inline const Role kResolve{&kResolvePolicy, kResolveFree, kResolveConditional,
                           joined({kResolveRows, kNoWritingRows})};

// resolve where nscd or systemd-resolved is asked, and myhostname.
inline const std::vector<Row> kLocalResolverRows = {
    {"socket", {AF_UNIX, SOCK_STREAM}, true},
    {"socket", {AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE}, true},
};
inline const Role kResolveLocally{&kResolvePolicy, kResolveFree, kResolveConditional,
                                  replaced(kResolve.rows, kLocalResolverRows), kAllNeeds};

// launch: everything that its helpers may call, and what it takes to start them.
inline const Names kLaunchFree = joined<Names>({kNet.free,
                                                kBridge.free,
                                                kResolveFree,
                                                {"rt_sigreturn",
                                                 "wait4",
                                                 "rt_sigaction",
                                                 "epoll_create1",
                                                 "access",
                                                 "faccessat",
                                                 "getdents64",
                                                 "arch_prctl",
                                                 "set_tls",
                                                 "dup2",
#ifdef __riscv
                                                 "riscv_hwprobe",
#endif
                                                 "gettid",
                                                 "set_tid_address",
                                                 "set_robust_list",
                                                 "rseq",
                                                 "mlock",
                                                 "sysinfo",
                                                 "getuid",
                                                 "geteuid",
                                                 "getgid",
                                                 "getegid",
                                                 "getppid",
                                                 "chroot",
                                                 "chdir",
                                                 "capget",
                                                 "capset",
                                                 "fstatfs",
                                                 "landlock_create_ruleset",
                                                 "landlock_add_rule",
                                                 "landlock_restrict_self"}});
inline const Names kLaunchConditional = joined<Names>(
    {kNet.conditional,
     kBridge.conditional,
     kResolveConditional,
     {"clone", "execveat", "kill", "dup3", "close_range", "unshare", "prlimit64", "ugetrlimit", "seccomp"}});
inline const std::vector<Row> kLaunchRows = {
    {"madvise", {0, 4096, MADV_DONTDUMP}, true},
    {"madvise", {0, 4096, MADV_WIPEONFORK}, true},
    {"mmap", {0, 4096, PROT_READ | PROT_WRITE, kAnonymous | MAP_NORESERVE}, true},
    {"mmap", {0, 4096, PROT_READ | PROT_EXEC, kAnonymous}, false},
    {"mmap", {0, 4096, PROT_READ | PROT_EXEC, MAP_SHARED}, false},
    {"getsockopt", {3, SOL_SOCKET, SO_TYPE}, true},
    {"clone", {kFork}, true},
    {"clone", {SIGCHLD | CLONE_VM}, false},
    {"clone", {kFork | CLONE_NEWUSER}, false},
    {"execveat", {7, 0, 0, 0, AT_EMPTY_PATH}, true},
    {"execveat", {7, 0, 0, 0, 0}, false},
    {"execveat", {7, 0, 0, 0, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW}, false},
    {"kill", {100, SIGKILL}, true},
    {"kill", {1, SIGKILL}, true},
    {"kill", {0x40'0000, SIGKILL}, true},
    {"kill", {0, SIGKILL}, false},
    {"kill", {~0U, SIGKILL}, false},
    {"kill", {100, SIGSTOP}, false},
    {"kill", {100, SIGTERM}, false},
    {"dup3", {20, 3, 0}, true},
    {"dup3", {20, 3, O_CLOEXEC}, false},
    {"close_range", {3, ~0U, CLOSE_RANGE_CLOEXEC}, true},
    {"close_range", {3, ~0U, CLOSE_RANGE_UNSHARE}, false},
    {"fcntl", {0, F_DUPFD_CLOEXEC, 16}, true},
    {"fcntl", {0, F_SETPIPE_SZ, 4096}, true},
    {"openat", {0, 0, O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NONBLOCK}, true},
    {"openat", {0, 0, O_CLOEXEC | O_PATH}, true},
    {"unshare", {kOwnNamespaces}, true},
    {"unshare", {CLONE_NEWUSER}, false},
    {"unshare", {CLONE_NEWPID}, false},
    {"ugetrlimit", {RLIMIT_STACK}, true},
    {"ugetrlimit", {RLIMIT_NOFILE}, false},
#ifdef __aarch64__
    {"mmap", {0, 4096, PROT_READ | PROT_EXEC | 0x10 /* PROT_BTI */, MAP_PRIVATE}, true},
    {"mprotect", {0, 4096, PROT_READ | PROT_EXEC | 0x10}, false, EPERM},
    {"mprotect", {0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC | 0x10}, false},
#endif
    {"prlimit64", {0, RLIMIT_STACK}, true},
    {"prlimit64", {0, RLIMIT_CORE}, true},
    {"prlimit64", {0, RLIMIT_NPROC}, true},
    {"prlimit64", {0, RLIMIT_FSIZE}, true},
    {"prlimit64", {0, RLIMIT_NOFILE}, false},
    {"prlimit64", {1, RLIMIT_CORE}, false},
    {"prctl", {PR_SET_PDEATHSIG, SIGKILL}, true},
    {"prctl", {PR_SET_PDEATHSIG, 0}, false},
    {"prctl", {PR_SET_DUMPABLE, 0}, true},
    {"prctl", {PR_GET_DUMPABLE}, true},
    {"prctl", {PR_SET_DUMPABLE, 1}, false},
    {"prctl", {kPrSetMdwe}, true},
    {"prctl", {PR_SET_NO_NEW_PRIVS}, true},
    {"prctl", {PR_GET_PDEATHSIG}, true},
    {"prctl", {66 /* PR_GET_MDWE, newer than the headers of Debian 12 */}, true},
    {"prctl", {PR_GET_NO_NEW_PRIVS}, true},
    {"prctl", {PR_GET_SECUREBITS}, true},
    {"prctl", {PR_SET_SECUREBITS}, false},
    {"prctl", {PR_CAPBSET_DROP}, true},
    {"prctl", {PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET}, true},
    {"prctl", {PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL}, true},
    {"prctl", {PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE}, false},
    {"seccomp", {SECCOMP_SET_MODE_FILTER, 0}, true},
    {"seccomp", {SECCOMP_GET_ACTION_AVAIL, 0}, true},
    {"seccomp", {SECCOMP_GET_NOTIF_SIZES, 0}, true},
    {"seccomp", {SECCOMP_SET_MODE_STRICT, 0}, false, EINVAL},
    {"seccomp", {SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC}, false, EINVAL},
    {"seccomp", {SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_LOG}, false, EINVAL},
    {"seccomp", {SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW}, false, EINVAL},
    {"seccomp", {SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER}, false, EINVAL},
    {"seccomp", {SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC_ESRCH}, false, EINVAL},
    {"prctl", {PR_SET_MM}, false},
    {"prctl", {PR_SET_PTRACER}, false},
    {"sendmsg", {3, 0, 0}, false},
    {"socketpair", {AF_INET, SOCK_STREAM | kNew}, false},
    {"mprotect", {0, 4096, PROT_READ | PROT_EXEC}, false},
    {"setsockopt", {3, SOL_SOCKET, SO_ATTACH_FILTER}, false},
    {"socket", {AF_UNIX, SOCK_STREAM}, false, EAFNOSUPPORT},
    {"socket", {AF_UNIX, SOCK_SEQPACKET}, false},
    {"socket", {AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE}, false, EAFNOSUPPORT},
};
// launch shares only the allowed rows of its helpers: what one helper must not do, launch or another may do.
inline std::vector<Row> allowed_of(const std::vector<Row>& rows) {
  std::vector<Row> allowed;
  std::ranges::copy_if(rows, std::back_inserter(allowed), &Row::allowed);
  return allowed;
}
inline const Role kLaunch{&kLaunchPolicy, kLaunchFree, kLaunchConditional,
                          joined({kLaunchRows, kNoWritingRows, allowed_of(kNet.rows),
                                  allowed_of(kBridge.rows), allowed_of(kResolveRows)})};
inline const Role kLaunchForLocal{&kLaunchPolicy, kLaunchFree, kLaunchConditional,
                                  replaced(kLaunch.rows, kLocalResolverRows), kAllNeeds};

}  // namespace localproxy::sandbox::test
