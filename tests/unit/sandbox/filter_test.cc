// The system call filters: each role's policy can be loaded, allows what the role does, and kills what it
// must not do.
#include "sandbox/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "build_config.h"
#include "tests/unit/sandbox/in_child.h"

namespace localproxy::sandbox {
namespace {

using test::Child;
using test::Ended;
using test::in_child;

const Policy* const kPolicies[] = {&kMonitorPolicy, &kNetPolicy, &kBridgePolicy, &kResolvePolicy};

struct Call {
  const Policy* policy;
  const char* name;
  std::function<long()> make;
};

std::string test_name(const Call& call) {
  return std::string(call.policy->role) + "_" + call.name;
}

class SeccompTest : public testing::Test {
 protected:
  void SetUp() override {
    if (LOCALPROXY_SANITIZER_BUILD) GTEST_SKIP() << "a sanitizer makes system calls of its own";
  }
  // Makes the call in a child behind the filter; returns how the child ended.
  static Ended behind(const Policy& policy, const std::function<long()>& call) {
    return in_child([&](const Child::Say& say) {
      if (!test::no_new_privs()) return 2;
      const auto program = compile_filter(policy, 0);
      if (!program.ok() || !enter_filter(*program).ok()) return 3;
      const long returned = call();
      say(returned >= 0 ? "done" : std::to_string(errno));
      return 0;
    });
  }
};

class PolicyTest : public SeccompTest, public testing::WithParamInterface<const Policy*> {};

const auto role_name = [](const auto& each) { return std::string(each.param->role); };
INSTANTIATE_TEST_SUITE_P(Roles, PolicyTest, testing::ValuesIn(kPolicies), role_name);

TEST_P(PolicyTest, CanBeLoadedAndAllowsExit) {
  const Ended ended = behind(*GetParam(), [] { return 0; });
  EXPECT_EQ(ended.status, 0) << "signal " << ended.signal;
  EXPECT_EQ(ended.said, "done");
}

TEST_P(PolicyTest, EveryRuleHasAReason) {
  for (const auto& rules : {common_rules(), GetParam()->system_calls}) {
    for (const Rule& rule : rules) {
      ASSERT_NE(rule.reason, nullptr);
      EXPECT_NE(std::string(rule.reason), "") << rule.number;
      EXPECT_LE(rule.arg_count, kMaxArgs);
    }
  }
}

TEST_P(PolicyTest, NoDangerousCallIsAllowed) {
  // Calls that turn a compromised process into another program, or that inspect other processes.
  static constexpr long kDangerous[] = {SYS_ptrace,
                                        SYS_process_vm_readv,
                                        SYS_process_vm_writev,
                                        SYS_bpf,
                                        SYS_perf_event_open,
                                        SYS_keyctl,
                                        SYS_add_key,
                                        SYS_request_key,
                                        SYS_mount,
                                        SYS_umount2,
                                        SYS_unshare,
                                        SYS_setns,
                                        SYS_pivot_root,
                                        SYS_chroot,
                                        SYS_init_module,
                                        SYS_reboot,
                                        SYS_kexec_load,
                                        SYS_personality,
                                        SYS_setuid,
                                        SYS_setresuid,
                                        SYS_setgid,
                                        SYS_io_uring_setup,
                                        SYS_io_uring_enter,
                                        SYS_syslog,
                                        SYS_memfd_create,
                                        SYS_userfaultfd,
                                        SYS_execve,
                                        SYS_pidfd_getfd,
                                        SYS_tgkill,
                                        SYS_mknodat,
                                        SYS_fchmodat,
                                        SYS_fchownat,
                                        SYS_renameat2,
                                        SYS_linkat,
                                        SYS_symlinkat};
  std::set<long> allowed;
  for (const auto& rules : {common_rules(), GetParam()->system_calls}) {
    for (const Rule& rule : rules) {
      if (rule.error == 0) allowed.insert(rule.number);
    }
  }
  for (const long number : kDangerous) {
    EXPECT_FALSE(allowed.contains(number)) << number;
    const Ended ended = behind(*GetParam(), [number] { return ::syscall(number, 0, 0, 0, 0, 0, 0); });
    EXPECT_EQ(ended.signal, SIGSYS) << number << " said " << ended.said;
  }
}

#ifdef __x86_64__
TEST_P(PolicyTest, CallsOfOtherArchitecturesKill) {
  constexpr long kX32 = 0x40000000;
  EXPECT_EQ(behind(*GetParam(), [] { return ::syscall(kX32 | SYS_getpid); }).signal, SIGSYS);
  const Ended ended = behind(*GetParam(), [] {
    long result = 20;  // getpid of i386
    asm volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
    return result;
  });
  // A kernel without i386 calls ends the process by itself.
  EXPECT_TRUE(ended.signal == SIGSYS || ended.signal == SIGSEGV) << ended.signal << ended.said;
}
#endif

// ---- what each role may, and may not ----

long map(int protection) {
  void* memory = ::mmap(nullptr, 4'096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? -1 : 0;
}
long pair_of(int family, int type) {
  int fds[2];
  return ::syscall(SYS_socketpair, family, type, 0, fds);
}
long open_file(const char* path, int flags) {
  return ::syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0600);
}
long set_option(int level, int name) {
  int value[2] = {0, 0};
  return ::syscall(SYS_setsockopt, -1, level, name, value, sizeof value);
}
long get_option(int level, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  return ::syscall(SYS_getsockopt, -1, level, name, &value, &size);
}
constexpr int kNewSocket = SOCK_CLOEXEC | SOCK_NONBLOCK;

long socket_of(int family) {
  return ::syscall(SYS_socket, family, SOCK_STREAM | kNewSocket, 0);
}
long receive_with(int flags) {
  return ::syscall(SYS_recvfrom, -1, nullptr, 0, flags, nullptr, nullptr);
}
long send_with(int flags) {
  return ::syscall(SYS_sendmsg, -1, nullptr, flags);
}
long forked() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  return child < 0 ? -1 : ::waitpid(child, nullptr, 0);
}

class KilledTest : public SeccompTest, public testing::WithParamInterface<Call> {};

TEST_P(KilledTest, ByTheFilter) {
  const Ended ended = behind(*GetParam().policy, GetParam().make);
  EXPECT_EQ(ended.signal, SIGSYS) << "it went through: " << ended.said;
}

const auto call_name = [](const auto& each) { return test_name(each.param); };
INSTANTIATE_TEST_SUITE_P(
    Net, KilledTest,
    testing::Values(
        Call{&kNetPolicy, "socket", [] { return socket_of(AF_INET); }},
        Call{&kNetPolicy, "unix_socket", [] { return socket_of(AF_UNIX); }},
        Call{&kNetPolicy, "open", [] { return open_file("/dev/null", O_RDONLY); }},
        Call{&kNetPolicy, "fork", forked},
        Call{&kNetPolicy, "connect", [] { return ::syscall(SYS_connect, -1, nullptr, 0); }},
        Call{&kNetPolicy, "accept", [] { return ::syscall(SYS_accept4, -1, nullptr, nullptr, 0); }},
        Call{&kNetPolicy, "socketpair", [] { return pair_of(AF_UNIX, SOCK_STREAM); }},
        Call{&kNetPolicy, "sendmsg", [] { return send_with(MSG_NOSIGNAL); }},
        Call{&kNetPolicy, "kill", [] { return ::syscall(SYS_kill, ::getpid(), 0); }},
        Call{&kNetPolicy, "executable_memory", [] { return map(PROT_READ | PROT_EXEC); }},
        Call{&kNetPolicy, "mprotect", [] { return ::syscall(SYS_mprotect, 0, 0, PROT_EXEC); }},
        Call{&kNetPolicy, "setsockopt", [] { return set_option(SOL_SOCKET, SO_LINGER); }},
        Call{&kNetPolicy, "fcntl", [] { return ::syscall(SYS_fcntl, 0, F_SETFL, 0); }},
        Call{&kNetPolicy, "prctl", [] { return ::syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0); }}),
    call_name);

INSTANTIATE_TEST_SUITE_P(
    Bridge, KilledTest,
    testing::Values(Call{&kBridgePolicy, "socket", [] { return socket_of(AF_INET); }},
                    Call{&kBridgePolicy, "open", [] { return open_file("/dev/null", O_RDONLY); }},
                    Call{&kBridgePolicy, "fork", forked},
                    Call{&kBridgePolicy, "connect", [] { return ::syscall(SYS_connect, -1, nullptr, 0); }},
                    Call{&kBridgePolicy, "bind", [] { return ::syscall(SYS_bind, -1, nullptr, 0); }},
                    Call{&kBridgePolicy, "listen", [] { return ::syscall(SYS_listen, -1, 1); }},
                    Call{&kBridgePolicy, "inet_pair", [] { return pair_of(AF_INET, SOCK_STREAM); }},
                    Call{&kBridgePolicy, "message_pair", [] { return pair_of(AF_UNIX, SOCK_SEQPACKET); }},
                    Call{&kBridgePolicy, "datagram_pair", [] { return pair_of(AF_UNIX, SOCK_DGRAM); }},
                    Call{&kBridgePolicy, "sendmsg_with_other_flags", [] { return send_with(0); }},
                    Call{&kBridgePolicy, "executable_memory", [] { return map(PROT_READ | PROT_EXEC); }},
                    Call{&kBridgePolicy, "other_option", [] { return set_option(SOL_SOCKET, SO_REUSEADDR); }},
                    Call{&kBridgePolicy, "peer_credentials",
                         [] { return get_option(SOL_SOCKET, SO_PEERCRED); }}),
    call_name);

INSTANTIATE_TEST_SUITE_P(
    Resolve, KilledTest,
    testing::Values(
        Call{&kResolvePolicy, "write_a_file", [] { return open_file("/dev/null", O_WRONLY); }},
        Call{&kResolvePolicy, "create_a_file", [] { return open_file("/tmp/x", O_RDONLY | O_CREAT); }},
        Call{&kResolvePolicy, "truncate_a_file", [] { return open_file("/dev/null", O_TRUNC); }},
        Call{&kResolvePolicy, "fork", forked},
        Call{&kResolvePolicy, "packet_socket", [] { return socket_of(AF_PACKET); }},
        Call{&kResolvePolicy, "listen", [] { return ::syscall(SYS_listen, -1, 1); }},
        Call{&kResolvePolicy, "unlink", [] { return ::syscall(SYS_unlinkat, -1, "", 0); }},
        Call{&kResolvePolicy, "writable_code", [] { return map(PROT_READ | PROT_WRITE | PROT_EXEC); }},
        Call{&kResolvePolicy, "mprotect", [] { return ::syscall(SYS_mprotect, 0, 0, PROT_EXEC); }}),
    call_name);

INSTANTIATE_TEST_SUITE_P(
    Monitor, KilledTest,
    testing::Values(
        Call{&kMonitorPolicy, "packet_socket", [] { return socket_of(AF_PACKET); }},
        Call{&kMonitorPolicy, "read", [] { return ::syscall(SYS_read, -1, nullptr, 0); }},
        Call{&kMonitorPolicy, "readv", [] { return ::syscall(SYS_readv, -1, nullptr, 0); }},
        Call{&kMonitorPolicy, "recvmsg", [] { return ::syscall(SYS_recvmsg, -1, nullptr, MSG_TRUNC); }},
        Call{&kMonitorPolicy, "recvfrom", [] { return receive_with(0); }},
        Call{&kMonitorPolicy, "peek", [] { return receive_with(MSG_TRUNC | MSG_PEEK); }},
        Call{&kMonitorPolicy, "splice", [] { return ::syscall(SYS_splice, -1, nullptr, -1, nullptr, 1, 0); }},
        Call{&kMonitorPolicy, "zero_copy_receive", [] { return get_option(IPPROTO_TCP, 35); }},
        Call{&kMonitorPolicy, "fork", forked},
        Call{&kMonitorPolicy, "kill", [] { return ::syscall(SYS_kill, 0, 0); }},
        Call{&kMonitorPolicy, "crypto_socket", [] { return socket_of(AF_ALG); }},
        Call{&kMonitorPolicy, "inet_pair", [] { return pair_of(AF_INET, SOCK_STREAM); }},
        Call{&kMonitorPolicy, "mkdir", [] { return ::syscall(SYS_mkdirat, -1, "", 0); }},
        Call{&kMonitorPolicy, "dup", [] { return ::syscall(SYS_dup, 0); }},
        Call{&kMonitorPolicy, "terminal_input",
             [] { return ::syscall(SYS_ioctl, 0, 0x5412 /* TIOCSTI */, ""); }}),
    call_name);

// What a role does. `make` may return less than 0 only because the arguments are not real.
class AllowedTest : public SeccompTest, public testing::WithParamInterface<Call> {};

TEST_P(AllowedTest, ByTheFilter) {
  const Ended ended = behind(*GetParam().policy, GetParam().make);
  EXPECT_EQ(ended.signal, 0);
  EXPECT_EQ(ended.status, 0) << ended.said;
  EXPECT_TRUE(ended.said == "done" || ended.said == std::to_string(EBADF)) << ended.said;
}

std::vector<Call> allowed_calls() {
  std::vector<Call> calls = {
      {&kBridgePolicy, "channel", [] { return pair_of(AF_UNIX, SOCK_STREAM | kNewSocket); }},
      {&kBridgePolicy, "bytes_in_a_channel", [] { return ::syscall(SYS_ioctl, -1, FIONREAD, nullptr); }},
      {&kBridgePolicy, "accept", [] { return ::syscall(SYS_accept4, -1, nullptr, nullptr, kNewSocket); }},
      {&kBridgePolicy, "sendmsg", [] { return send_with(MSG_NOSIGNAL); }},
      {&kBridgePolicy, "splice",
       [] { return ::syscall(SYS_splice, -1, nullptr, -1, nullptr, 1, SPLICE_F_MOVE | SPLICE_F_NONBLOCK); }},
      {&kBridgePolicy, "linger", [] { return set_option(SOL_SOCKET, SO_LINGER); }},
      {&kBridgePolicy, "no_delay", [] { return set_option(IPPROTO_TCP, TCP_NODELAY); }},
      {&kBridgePolicy, "pipe",
       [] {
         int fds[2];
         return ::syscall(SYS_pipe2, fds, O_CLOEXEC | O_NONBLOCK);
       }},
      {&kBridgePolicy, "another_size_of_a_pipe", [] { return ::syscall(SYS_fcntl, -1, F_SETPIPE_SZ, 4096); }},
      {&kResolvePolicy, "read_a_file", [] { return open_file("/dev/null", O_RDONLY); }},
      {&kResolvePolicy, "socket", [] { return socket_of(AF_INET); }},
      {&kResolvePolicy, "connect", [] { return ::syscall(SYS_connect, -1, nullptr, 0); }},
      {&kResolvePolicy, "poll", [] { return ::poll(nullptr, 0, 0); }},
      {&kResolvePolicy, "library_code",
       [] {
         constexpr int kFlags = MAP_PRIVATE | MAP_FIXED | MAP_DENYWRITE;
         return ::mmap(nullptr, 4'096, PROT_READ | PROT_EXEC, kFlags, -1, 0) == MAP_FAILED ? -1L : 0L;
       }},
      {&kMonitorPolicy, "message", [] { return receive_with(MSG_TRUNC); }},
      {&kLaunchPolicy, "fork", forked},
      {&kMonitorPolicy, "socket", [] { return socket_of(AF_INET); }},
      {&kMonitorPolicy, "channel", [] { return pair_of(AF_UNIX, SOCK_SEQPACKET | kNewSocket); }},
      {&kMonitorPolicy, "read_a_file",
       [] { return open_file("/dev/null", O_RDONLY | O_CLOEXEC | O_NOCTTY); }},
      {&kBridgePolicy, "shutdown", [] { return ::syscall(SYS_shutdown, -1, SHUT_WR); }},
      {&kNetPolicy, "recvmsg", [] { return ::syscall(SYS_recvmsg, -1, nullptr, MSG_CMSG_CLOEXEC); }},
      {&kBridgePolicy, "recvmsg", [] { return ::syscall(SYS_recvmsg, -1, nullptr, MSG_CMSG_CLOEXEC); }},
      {&kMonitorPolicy, "listen", [] { return ::syscall(SYS_listen, -1, 1); }},
  };
  for (const Policy* policy : kPolicies) {
    calls.push_back({policy, "memory", [] { return map(PROT_READ | PROT_WRITE); }});
    calls.push_back({policy, "read_the_clock", [] {
                       timespec now{};
                       return ::syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
                     }});
  }
  return calls;
}

INSTANTIATE_TEST_SUITE_P(Calls, AllowedTest, testing::ValuesIn(allowed_calls()), call_name);

// malloc must not turn to calls that the filter does not allow, such as those for another arena.
TEST_F(SeccompTest, MallocReportsThatMemoryIsUsedUp) {
  for (const size_t block : {size_t{4'000}, size_t{1'000'000}}) {
    const Ended ended = in_child([block](const Child::Say& say) {
      const auto program = compile_filter(kNetPolicy, 0);
      const rlimit little{64'000'000, 64'000'000};
      if (!program.ok() || ::setrlimit(RLIMIT_AS, &little) != 0) return 2;
      if (!test::no_new_privs() || !enter_filter(*program).ok()) return 3;
      void* last = nullptr;
      for (void* more = ::malloc(block); more != nullptr; more = ::malloc(block)) {
        *static_cast<void**>(more) = last;
        last = more;
      }
      const int error = errno;
      // Grown in place or moved, a block is as large as before when there is no room.
      const bool grown = last != nullptr && ::realloc(last, 100'000'000) != nullptr;
      say(grown ? "grown" : std::to_string(error));
      return 0;
    });
    EXPECT_EQ(ended.signal, 0);
    EXPECT_EQ(ended.said, std::to_string(ENOMEM));
  }
}

TEST_F(SeccompTest, Clone3IsAnsweredSoThatLibcFallsBack) {
  const Ended ended = behind(kLaunchPolicy, [] { return ::syscall(SYS_clone3, nullptr, 0); });
  EXPECT_EQ(ended.said, std::to_string(ENOSYS));
}

}  // namespace
}  // namespace localproxy::sandbox
