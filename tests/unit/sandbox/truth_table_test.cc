// What each role's filter says of every system call. The tables here are written a second time, from what the
// roles do, and not made from the policies: a rule that is added, removed or widened makes a test fail.
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/close_range.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/sandbox/evaluate.h"

namespace localproxy::sandbox {
namespace {

using Names = std::set<std::string>;
using Arguments = std::array<uint64_t, 6>;

struct Row {
  const char* call;
  Arguments arguments;
  bool allowed;
};

struct Role {
  const Policy* policy;
  Names free;         // allowed with any arguments
  Names conditional;  // allowed with some
  std::vector<Row> rows;
};

constexpr uint64_t kNew = SOCK_CLOEXEC | SOCK_NONBLOCK;
constexpr uint64_t kFork = CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD;
constexpr uint64_t kPrSetMdwe = 65;  // newer than the headers of Debian 12
constexpr uint64_t kOwnNamespaces = CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;

const Names kCommonFree = {"write",         "close",        "epoll_wait", "epoll_pwait", "epoll_ctl",
                           "brk",           "munmap",       "mremap",     "madvise",     "futex",
                           "clock_gettime", "gettimeofday", "exit_group"};
const Names kCommonConditional = {"mmap", "prctl"};
const std::vector<Row> kCommonRows = {
    {"mmap", {0, 4096, PROT_READ | PROT_WRITE}, true},
    {"prctl", {PR_GET_SECCOMP}, true},
};
// What no role may.
const std::vector<Row> kForbiddenRows = {
    {"mmap", {0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC}, false},
    {"mmap", {0, 4096, PROT_WRITE | PROT_EXEC}, false},
    {"prctl", {PR_SET_SECCOMP}, false},
    {"prctl", {PR_SET_KEEPCAPS, 1}, false},
    {"fcntl", {0, F_DUPFD, 10}, false},
    {"fcntl", {0, F_SETOWN, 1}, false},
    {"fcntl", {0, F_SETLEASE, F_WRLCK}, false},
};
// What no role but launch may, which must be able to start any other.
const std::vector<Row> kForbiddenToHelpersRows = {
    {"prctl", {PR_SET_DUMPABLE, 1}, false},
    {"prctl", {PR_CAP_AMBIENT}, false},
    {"fcntl", {0, F_DUPFD_CLOEXEC, 10}, false},
};

const Role kMonitor{
    &kMonitorPolicy,
    {"connect", "bind", "listen", "getsockname", "umask", "newfstatat", "unlink", "unlinkat", "geteuid",
     "fstat", "pread64", "wait4", "rt_sigaction", "rt_sigreturn", "rt_sigprocmask"},
    {"recvfrom", "sendmsg", "socketpair", "socket", "getsockopt", "setsockopt", "openat", "fcntl"},
    {
        {"recvfrom", {3, 0, 10, MSG_TRUNC}, true},
        {"recvfrom", {3, 0, 10, 0}, false},
        {"recvfrom", {3, 0, 10, MSG_TRUNC | MSG_PEEK}, false},
        {"recvfrom", {3, 0, 10, MSG_OOB}, false},
        {"recvfrom", {3, 0, 10, MSG_TRUNC | MSG_ERRQUEUE}, false},
        {"sendmsg", {3, 0, MSG_NOSIGNAL}, true},
        {"sendmsg", {3, 0, 0}, false},
        {"sendmsg", {3, 0, MSG_NOSIGNAL | MSG_FASTOPEN}, false},
        {"socketpair", {AF_UNIX, SOCK_SEQPACKET | kNew}, true},
        {"socketpair", {AF_UNIX, SOCK_STREAM | kNew}, false},
        {"socketpair", {AF_INET, SOCK_SEQPACKET | kNew}, false},
        {"socket", {AF_INET, SOCK_STREAM | kNew, 0}, true},
        {"socket", {AF_INET6, SOCK_STREAM | kNew, 0}, true},
        {"socket", {AF_UNIX, SOCK_STREAM | kNew, 0}, true},
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

const Role kNet{&kNetPolicy,
                {"read", "recvmsg", "getpid", "getrandom"},
                {"getsockopt"},
                {
                    {"getsockopt", {3, SOL_SOCKET, SO_ERROR}, false},
                    {"getsockopt", {3, IPPROTO_TCP, TCP_INFO}, true},
                    {"getsockopt", {3, SOL_SOCKET, SO_PEERCRED}, false},
                    {"getsockopt", {3, IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE}, false},
                    {"fcntl", {0, F_SETFL, 0}, false},
                }};

const Role kBridge{&kBridgePolicy,
                   {"read", "recvmsg", "shutdown", "accept4", "pipe2", "splice"},
                   {"socketpair", "sendmsg", "setsockopt", "ioctl"},
                   {
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
                       {"ioctl", {3, FIONREAD}, false},
                       {"fcntl", {0, F_SETFL, 0}, false},
                   }};

const Names kResolveFree = {
    "read",        "recvmsg",         "newfstatat",     "fstat",     "lseek",  "pread64", "bind",
    "connect",     "sendto",          "sendmmsg",       "recvfrom",  "writev", "poll",    "ppoll",
    "getsockname", "restart_syscall", "rt_sigprocmask", "getrandom", "getpid", "uname"};
const Names kResolveConditional = {"openat",     "mprotect", "socket", "getsockopt",
                                   "setsockopt", "ioctl",    "fcntl"};
const std::vector<Row> kResolveRows = {
    {"openat", {0, 0, O_RDONLY | O_CLOEXEC}, true},
    {"mmap", {0, 4096, PROT_READ | PROT_EXEC}, true},
    {"mprotect", {0, 4096, PROT_READ}, true},
    {"mprotect", {0, 4096, PROT_READ | PROT_EXEC}, false},
    {"socket", {AF_INET, SOCK_DGRAM | kNew}, true},
    {"socket", {AF_INET, SOCK_STREAM | kNew}, true},
    {"socket", {AF_INET, SOCK_RAW}, false},
    {"socket", {AF_INET6, SOCK_DGRAM}, true},
    {"socket", {AF_INET6, SOCK_STREAM}, true},
    {"socket", {AF_INET6, SOCK_RAW}, false},
    {"socket", {AF_UNIX, SOCK_STREAM}, true},
    {"socket", {AF_UNIX, SOCK_DGRAM}, false},
    {"socket", {AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE}, true},
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
// What no process that opens files may.
const std::vector<Row> kNoWritingRows = {
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

const Role kResolve{&kResolvePolicy, kResolveFree, kResolveConditional,
                    joined({kResolveRows, kNoWritingRows})};

// launch: what all of its helpers may, and what they need to get there.
const Names kLaunchFree = joined<Names>({kNet.free,
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
                                          "gettid",
                                          "set_tid_address",
                                          "set_robust_list",
                                          "rseq",
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
                                          "landlock_restrict_self",
                                          "seccomp"}});
const Names kLaunchConditional =
    joined<Names>({kNet.conditional,
                   kBridge.conditional,
                   kResolveConditional,
                   {"clone", "execveat", "kill", "dup3", "close_range", "unshare", "prlimit64"}});
const std::vector<Row> kLaunchRows = {
    {"getsockopt", {3, SOL_SOCKET, SO_TYPE}, true},
    {"clone", {kFork}, true},
    {"clone", {SIGCHLD | CLONE_VM}, false},
    {"clone", {kFork | CLONE_NEWUSER}, false},
    {"execveat", {7, 0, 0, 0, AT_EMPTY_PATH}, true},
    {"execveat", {7, 0, 0, 0, 0}, false},
    {"execveat", {7, 0, 0, 0, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW}, false},
    {"kill", {100, SIGKILL}, true},
    {"kill", {100, SIGSTOP}, false},
    {"kill", {100, SIGTERM}, false},
    {"dup3", {20, 3, 0}, true},
    {"dup3", {20, 3, O_CLOEXEC}, false},
    {"close_range", {3, ~0U, CLOSE_RANGE_CLOEXEC}, true},
    {"close_range", {3, ~0U, CLOSE_RANGE_UNSHARE}, false},
    {"fcntl", {0, F_DUPFD_CLOEXEC, 16}, true},
    {"openat", {0, 0, O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NONBLOCK}, true},
    {"openat", {0, 0, O_CLOEXEC | O_PATH}, true},
    {"unshare", {kOwnNamespaces}, true},
    {"unshare", {CLONE_NEWUSER}, false},
    {"unshare", {CLONE_NEWPID}, false},
    {"prlimit64", {0, RLIMIT_STACK}, true},
    {"prlimit64", {0, RLIMIT_CORE}, true},
    {"prlimit64", {0, RLIMIT_NPROC}, true},
    {"prlimit64", {0, RLIMIT_FSIZE}, true},
    {"prlimit64", {0, RLIMIT_NOFILE}, false},
    {"prlimit64", {1, RLIMIT_CORE}, false},
    {"prctl", {PR_SET_PDEATHSIG}, true},
    {"prctl", {PR_SET_DUMPABLE}, true},
    {"prctl", {kPrSetMdwe}, true},
    {"prctl", {PR_SET_NO_NEW_PRIVS}, true},
    {"prctl", {PR_GET_NO_NEW_PRIVS}, true},
    {"prctl", {PR_GET_SECUREBITS}, true},
    {"prctl", {PR_SET_SECUREBITS}, false},
    {"prctl", {PR_CAPBSET_DROP}, true},
    {"prctl", {PR_CAP_AMBIENT}, true},
    {"prctl", {PR_SET_MM}, false},
    {"prctl", {PR_SET_PTRACER}, false},
    {"sendmsg", {3, 0, 0}, false},
    {"socketpair", {AF_INET, SOCK_STREAM | kNew}, false},
    {"mprotect", {0, 4096, PROT_READ | PROT_EXEC}, false},
    {"setsockopt", {3, SOL_SOCKET, SO_ATTACH_FILTER}, false},
};
// What a helper must not do may be what launch or another helper does; what it does is what launch may too.
std::vector<Row> allowed_of(const std::vector<Row>& rows) {
  std::vector<Row> allowed;
  std::ranges::copy_if(rows, std::back_inserter(allowed), &Row::allowed);
  return allowed;
}
const Role kLaunch{&kLaunchPolicy, kLaunchFree, kLaunchConditional,
                   joined({kLaunchRows, kNoWritingRows, allowed_of(kNet.rows), allowed_of(kBridge.rows),
                           allowed_of(kResolveRows)})};

const Role* const kRoles[] = {&kMonitor, &kNet, &kBridge, &kResolve, &kLaunch};

std::string name_of(uint32_t number, uint32_t architecture) {
  if (architecture == 0) architecture = seccomp_arch_native();
  const std::unique_ptr<char, decltype(&free)> name(
      seccomp_syscall_resolve_num_arch(architecture, static_cast<int>(number)), &free);
  return name ? name.get() : "";
}

seccomp_data call_of(uint32_t architecture, uint32_t number, const Arguments& arguments) {
  seccomp_data data{};
  data.arch = architecture;
  data.nr = static_cast<int>(number);
  for (size_t i = 0; i < arguments.size(); ++i)
    data.args[i] = arguments[i];
  return data;
}

class TruthTableTest : public testing::TestWithParam<const Role*> {
 protected:
  void SetUp() override {
    auto program = compile_filter(role_.policy ? *role_.policy : kNetPolicy);
    ASSERT_TRUE(program.ok()) << program.error().text();
    program_ = std::move(*program);
  }
  uint32_t verdict(uint32_t number, const Arguments& arguments) const {
    return test::evaluate(program_, call_of(seccomp_arch_native(), number, arguments));
  }
  uint32_t verdict(const char* name, const Arguments& arguments) const {
    const int number = seccomp_syscall_resolve_name(name);
    EXPECT_GE(number, 0) << name;
    return verdict(static_cast<uint32_t>(number), arguments);
  }

  const Role& role_ = *GetParam();
  FilterProgram program_;
};

INSTANTIATE_TEST_SUITE_P(Roles, TruthTableTest, testing::ValuesIn(kRoles),
                         [](const auto& each) { return std::string(each.param->policy->role); });

// Arguments that no condition of any rule is made for.
constexpr Arguments kOdd[] = {
    {0x5555'5555'5555'5555, 0x5555'5555'5555'5555, 0x5555'5555'5555'5555, 0x5555'5555'5555'5555},
    {~0ULL, ~0ULL, ~0ULL, ~0ULL, ~0ULL, ~0ULL},
    {0x1234'5678, 0x7fff'1234, 0x7fff'1234, 0x7fff'1234, 0x7fff'1234, 0x7fff'1234}};

TEST_P(TruthTableTest, AllowsTheseCallsWhateverTheirArgumentsAndNoOthers) {
  Names expected = role_.free;
  expected.insert(kCommonFree.begin(), kCommonFree.end());
  Names found;
  for (uint32_t number = 0; number <= kNewestCall; ++number) {
    bool all = true;
    for (const Arguments& arguments : kOdd)
      all = all && verdict(number, arguments) == SECCOMP_RET_ALLOW;
    if (all) found.insert(name_of(number, seccomp_arch_native()));
  }
  EXPECT_EQ(found, expected);
}

TEST_P(TruthTableTest, EveryOtherCallKillsOrHasARowHere) {
  Names conditional = role_.conditional;
  conditional.insert(kCommonConditional.begin(), kCommonConditional.end());
  Names rows;
  for (const auto* table : {&role_.rows, &kCommonRows}) {
    for (const Row& row : *table) {
      if (row.allowed) rows.insert(row.call);
    }
  }
  for (const std::string& name : role_.free)
    conditional.erase(name);
  for (const std::string& name : conditional)
    EXPECT_TRUE(rows.contains(name)) << name << " has no row";
  for (uint32_t number = 0; number <= kNewestCall; ++number) {
    const std::string name = name_of(number, seccomp_arch_native());
    if (role_.free.contains(name) || kCommonFree.contains(name) || name == "clone3") continue;
    for (const Arguments& arguments : kOdd)
      EXPECT_EQ(verdict(number, arguments), SECCOMP_RET_KILL_PROCESS) << name << " " << number;
    // Zero is a value that some conditions allow.
    if (conditional.contains(name)) continue;
    EXPECT_EQ(verdict(number, {}), SECCOMP_RET_KILL_PROCESS) << name << " " << number;
  }
}

TEST_P(TruthTableTest, ArgumentsDecide) {
  const bool launch = &role_ == &kLaunch;
  for (const auto* table : {&role_.rows, &kCommonRows, &kForbiddenRows, &kForbiddenToHelpersRows}) {
    if (table == &kForbiddenToHelpersRows && launch) continue;
    for (const Row& row : *table) {
      const uint32_t expected = row.allowed ? SECCOMP_RET_ALLOW : SECCOMP_RET_KILL_PROCESS;
      EXPECT_EQ(verdict(row.call, row.arguments), expected)
          << row.call << " " << row.arguments[0] << " " << row.arguments[1] << " " << row.arguments[2] << " "
          << row.arguments[3];
    }
  }
}

TEST_P(TruthTableTest, TheUpperHalfOfAnArgumentIsNotLookedAt) {
  // The kernel takes these arguments as 32-bit numbers; an upper half must neither help nor hinder.
  constexpr uint64_t kUpper = 0xdead'beef'0000'0000;
  for (const Row& row : role_.rows) {
    Arguments arguments = row.arguments;
    for (uint64_t& argument : arguments)
      argument |= kUpper;
    EXPECT_EQ(verdict(row.call, arguments) == SECCOMP_RET_ALLOW, row.allowed) << row.call;
  }
}

TEST_P(TruthTableTest, CallsNewerThanThePolicyAreNotThere) {
  for (const uint32_t number : {kNewestCall + 1, kNewestCall + 20, uint32_t{1'000}, kFirstForeignCall - 1})
    EXPECT_EQ(verdict(number, {}), SECCOMP_RET_ERRNO | ENOSYS) << number;
}

TEST_P(TruthTableTest, ForeignNumbersAndArchitecturesKill) {
  for (const uint32_t number :
       {kFirstForeignCall, uint32_t{0x4000'0000}, uint32_t{0x4000'0001}, ~uint32_t{0}})
    EXPECT_EQ(verdict(number, {}), SECCOMP_RET_KILL_PROCESS) << number;
  for (const uint32_t architecture :
       {uint32_t{AUDIT_ARCH_I386}, uint32_t{AUDIT_ARCH_ARM}, uint32_t{AUDIT_ARCH_MIPS}, uint32_t{0}}) {
    for (uint32_t number = 0; number <= 500; ++number)
      ASSERT_EQ(test::evaluate(program_, call_of(architecture, number, {})), SECCOMP_RET_KILL_PROCESS)
          << number;
  }
}

TEST_P(TruthTableTest, CloneThreeIsRefusedByLaunchAlone) {
  const uint32_t expected = &role_ == &kLaunch ? SECCOMP_RET_ERRNO | ENOSYS : SECCOMP_RET_KILL_PROCESS;
  EXPECT_EQ(verdict("clone3", {}), expected);
}

// How many of the tables' statements a program does not agree with.
size_t disagreements(const FilterProgram& program, const Role& role) {
  size_t count = 0;
  const auto verdict = [&program](uint32_t number, const Arguments& arguments) {
    return test::evaluate(program, call_of(seccomp_arch_native(), number, arguments));
  };
  const auto number_of = [](const char* name) {
    return static_cast<uint32_t>(seccomp_syscall_resolve_name(name));
  };
  for (const Names* names : {&role.free, &kCommonFree}) {
    for (const std::string& name : *names)
      count += verdict(number_of(name.c_str()), kOdd[0]) != SECCOMP_RET_ALLOW ? 1U : 0U;
  }
  for (const auto* rows : {&role.rows, &kCommonRows}) {
    for (const Row& row : *rows)
      count += (verdict(number_of(row.call), row.arguments) == SECCOMP_RET_ALLOW) != row.allowed ? 1U : 0U;
  }
  if (&role == &kLaunch && verdict(number_of("clone3"), {}) != (SECCOMP_RET_ERRNO | ENOSYS)) ++count;
  return count;
}

// A mutation check: every single rule matters to these tables.
TEST_P(TruthTableTest, ARuleLessIsNoticed) {
  const std::vector<Rule> rules = all_rules(*role_.policy);
  ASSERT_EQ(disagreements(program_, role_), 0U);
  for (size_t i = 0; i < rules.size(); ++i) {
    std::vector<Rule> fewer = rules;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
    const auto program = compile_rules(fewer);
    ASSERT_TRUE(program.ok()) << program.error().text();
    EXPECT_GT(disagreements(*program, role_), 0U)
        << "nothing notices that the rule for " << name_of(static_cast<uint32_t>(rules[i].number), 0)
        << " is gone: " << rules[i].reason;
  }
}

// The same policies for machines that this one is not: compiled, and asked for the same calls by name.
TEST_P(TruthTableTest, OtherArchitecturesAreAsStrict) {
  for (const uint32_t architecture : {uint32_t{SCMP_ARCH_AARCH64}, uint32_t{SCMP_ARCH_ARM}}) {
    const auto program = compile_filter(*role_.policy, architecture);
    ASSERT_TRUE(program.ok()) << program.error().text();
    size_t looked_at = 0;
    for (uint32_t number = 0; number <= kNewestCall; ++number) {
      const std::string name = name_of(number, architecture);
      if (name.empty()) continue;
      const uint32_t said = test::evaluate(*program, call_of(architecture, number, kOdd[0]));
      const bool free = role_.free.contains(name) || kCommonFree.contains(name);
      EXPECT_EQ(said == SECCOMP_RET_ALLOW, free) << name << " on " << architecture;
      ++looked_at;
    }
    EXPECT_GT(looked_at, 250U);
    const int native = seccomp_syscall_resolve_name("write");
    EXPECT_EQ(test::evaluate(*program, call_of(seccomp_arch_native(), static_cast<uint32_t>(native), {})),
              SECCOMP_RET_KILL_PROCESS);
  }
}

}  // namespace
}  // namespace localproxy::sandbox
