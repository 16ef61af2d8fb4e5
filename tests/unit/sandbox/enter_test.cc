#include "sandbox/enter.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <thread>

#include "build_config.h"
#include "sandbox/ids.h"
#include "tests/unit/sandbox/in_child.h"
#include "tests/unit/sandbox/status.h"

namespace localproxy::sandbox {
namespace {

using test::Child;
using test::Ended;
using test::in_child;
using test::leave_root;
using test::value_of;
using testing::HasSubstr;

std::string expected_ids() {
  return ::geteuid() == 0 ? "uid 12345 gid 54321"
                          : "uid " + std::to_string(::getuid()) + " gid " + std::to_string(::getgid());
}

// Whether an ordinary process may create namespaces here.
bool namespaces_are_granted() {
  return in_child([](const Child::Say&) {
           return leave_root() && ::unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 ? 0 : 1;
         }).status == 0;
}

// The link names the namespace, and reading it needs no privilege.
std::string own_user_namespace() {
  char name[64];
  const ssize_t size = ::readlink("/proc/self/ns/user", name, sizeof name);
  return std::string(name, size > 0 ? static_cast<size_t>(size) : 0);
}

std::string text_of(const SandboxStatus& status) {
  return "uid " + std::to_string(status.uid) + " gid " + std::to_string(status.gid) +
         (status.namespaces ? ", namespaces" : "") +
         (status.not_granted.empty() ? "" : ", not granted: " + status.not_granted) + ", Landlock " +
         std::to_string(status.landlock_abi) + (status.system_calls ? ", filter" : "");
}

std::string expected_report(const Policy& policy, int landlock_abi) {
  const std::string namespaces = !policy.namespaces ? ""
                                 : namespaces_are_granted()
                                     ? ", namespaces"
                                     : ", not granted: unshare: Operation not permitted";
  return expected_ids() + namespaces + ", Landlock " + std::to_string(landlock_abi) +
         (LOCALPROXY_SANITIZER_BUILD ? "" : ", filter");
}

// Asks for namespaces as net does, but stays able to inspect itself afterwards.
const Policy kNamespacesOnly{.role = "test",
                             .system_calls = kLaunchPolicy.system_calls,
                             .starts = kLaunchPolicy.starts,
                             .namespaces = true};

// Enters the sandbox, sends the report or the error to the parent, and returns 0 or 3.
int enter_and_say(const Request& request, const Child::Say& say) {
  const auto entered = enter(request);
  say(entered.ok() ? text_of(*entered) : entered.error().text());
  return entered.ok() ? 0 : 3;
}

TEST(EnterTest, ReportsWhatWasReached) {
  if (landlock_abi() == 0) GTEST_SKIP() << "this kernel has no Landlock";
  for (const Policy* policy : {&kMonitorPolicy, &kNetPolicy, &kBridgePolicy, &kResolvePolicy}) {
    const Ended ended = in_child([policy](const Child::Say& say) {
      return leave_root() ? enter_and_say({.policy = policy}, say) : 2;
    });
    EXPECT_EQ(ended.status, 0) << ended.signal;
    EXPECT_EQ(ended.said, expected_report(*policy, landlock_abi()));
  }
}

TEST(EnterTest, ReportsTheTruthAboutTheMemory) {
  const Ended ended = in_child([](const Child::Say& say) {
    if (!leave_root()) return 2;
    const auto entered = enter({.policy = &kNetPolicy, .landlock = false});
    if (!entered) return 3;
    say(entered->mdwe ? "yes" : "no");
    return 0;
  });
  // Done in a child, because it cannot be undone.
  const Ended known = in_child([](const Child::Say&) { return ::prctl(65, 1, 0, 0, 0) == 0 ? 0 : 1; });
  EXPECT_EQ(ended.said, known.status == 0 ? "yes" : "no");
}

// A call, or a call with this first argument, that the system refuses, as filters and LSMs do.
struct Refusal {
  const char* name;
  uint32_t call;
  int argument;  // -1: any
  int error;
  std::string not_granted;
};

bool install_refusal(const Refusal& refusal) {
  const uint32_t answer = SECCOMP_RET_ERRNO | static_cast<uint32_t>(refusal.error);
  const auto argument = static_cast<uint32_t>(refusal.argument);
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, refusal.call, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, argument, 0, refusal.argument < 0 ? uint8_t{0} : uint8_t{1}),
      BPF_STMT(BPF_RET | BPF_K, answer),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{std::size(filter), filter};
  return test::no_new_privs() && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

class RefusalTest : public testing::TestWithParam<Refusal> {};

INSTANTIATE_TEST_SUITE_P(
    Calls, RefusalTest,
    testing::Values(Refusal{"unshare", SYS_unshare, -1, EPERM, "unshare: Operation not permitted"},
                    Refusal{"no_more", SYS_unshare, -1, ENOSPC, "unshare: No space left on device"},
                    Refusal{"unknown", SYS_unshare, -1, ENOSYS, "unshare: Function not implemented"},
                    Refusal{"chroot", SYS_chroot, -1, EPERM, "chroot: Operation not permitted"},
                    Refusal{"chdir", SYS_chdir, -1, EPERM, "chdir: Operation not permitted"},
                    Refusal{"fork", SYS_clone, -1, EAGAIN,
                            "fork: Resource temporarily unavailable (too many processes: raise ulimit -u, "
                            "TasksMax= of systemd, "
                            "the container's limit of pids or kernel.pid_max)"},
                    Refusal{"bounds", SYS_prctl, PR_CAPBSET_DROP, EPERM,
                            "capability bounding set: Operation not permitted"}),
    [](const auto& each) { return std::string(each.param.name); });

// On a system that grants only some of the namespaces, net and bridge enter none of them, and still the
// rest of the sandbox.
TEST_P(RefusalTest, EntersAllNamespacesOrNone) {
  if (LOCALPROXY_SANITIZER_BUILD) GTEST_SKIP() << "a sanitizer makes system calls of its own";
  const bool asks = GetParam().call == SYS_unshare;
  if (!asks && !namespaces_are_granted()) GTEST_SKIP() << "this system grants no namespaces";
  const Ended ended = in_child([](const Child::Say& say) {
    if (!leave_root() || !install_refusal(GetParam())) return 2;
    const UniqueFd own(::open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC));
    struct stat before {
    }, after{};
    if (::fstat(own.get(), &before) != 0) return 4;
    // As in a helper, whose filter must allow the attempt.
    if (!enter({.policy = &kLaunchPolicy, .landlock = false}).ok()) return 5;
    const auto inside = enter({.policy = &kNamespacesOnly, .landlock = false});
    if (!inside) {
      say(inside.error().text());
      return 6;
    }
    const UniqueFd now(::open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC));
    if (::fstat(now.get(), &after) != 0 || before.st_ino != after.st_ino) return 7;
    say(text_of(*inside));
    return 0;
  });
  EXPECT_EQ(ended.status, 0) << ended.said << ended.signal;
  EXPECT_EQ(ended.said, expected_ids() + ", not granted: " + GetParam().not_granted + ", Landlock 0, filter");
}

// A call that the system answers with success, without doing it.
struct Pretence {
  const char* name;
  uint32_t call;
  int argument;  // -1: any
  std::string error;
};

class PretenceTest : public testing::TestWithParam<Pretence> {};

INSTANTIATE_TEST_SUITE_P(
    Calls, PretenceTest,
    testing::Values(
        Pretence{"dumpable", SYS_prctl, PR_SET_DUMPABLE, "this process is dumpable"},
        Pretence{"death_signal", SYS_prctl, PR_SET_PDEATHSIG, "this process does not die with its parent"},
        Pretence{"mdwe", SYS_prctl, 65, "memory that was writable may become executable"},
        Pretence{"limits", SYS_prlimit64, -1, "RLIMIT_CORE is not 0"},
        Pretence{"root", SYS_chroot, -1, "the root directory is not empty"},
        Pretence{"directory", SYS_chdir, -1, "the current directory is outside the root directory"},
        Pretence{"landlock", SYS_landlock_restrict_self, -1, "Landlock is not in force: "}),
    [](const auto& each) { return std::string(each.param.name); });

TEST_P(PretenceTest, IsNoticedAndEndsTheProcess) {
  if (LOCALPROXY_SANITIZER_BUILD) GTEST_SKIP() << "a sanitizer makes system calls of its own";
  const uint32_t call = GetParam().call;
  const bool of_namespaces = call == SYS_chroot || call == SYS_chdir;
  if (of_namespaces && !namespaces_are_granted()) GTEST_SKIP() << "this system grants no namespaces";
  if (call == SYS_landlock_restrict_self && landlock_abi() == 0)
    GTEST_SKIP() << "this kernel has no Landlock";
  const pid_t parent = ::getpid();
  const Ended ended = in_child([parent, of_namespaces](const Child::Say& say) {
    if (!leave_root()) return 2;
    // What leaving root, or in_child(), has done already. Entering a namespace of users does the first again.
    if (::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0) != 0) return 2;
    if (!install_refusal({"", GetParam().call, GetParam().argument, 0, ""})) return 4;
    const Policy& policy = of_namespaces ? kNetPolicy : kMonitorPolicy;
    return enter_and_say({.policy = &policy, .parent = parent}, say);
  });
  EXPECT_EQ(ended.status, 3) << ended.said << ended.signal;
  EXPECT_THAT(ended.said, HasSubstr(GetParam().error));
}

// The user's process limit is reached, and then a process ends.
TEST(EnterTest, ATemporaryShortageCostsNoNamespaces) {
  if (!namespaces_are_granted()) GTEST_SKIP() << "this system grants no namespaces";
  if (::geteuid() != 0) GTEST_SKIP() << "not root: other processes of this user count, too";
  const Ended ended = in_child([](const Child::Say& say) {
    // Ended children do not count as processes, so no wait() is needed.
    if (!leave_root() || ::signal(SIGCHLD, SIG_IGN) == SIG_ERR) return 2;
    const pid_t other = ::fork();
    if (other == 0) {
      ::alarm(1);
      ::pause();
      ::_exit(0);
    }
    const rlimit two{2, 2};
    if (other < 0 || ::setrlimit(RLIMIT_NPROC, &two) != 0) return 4;
    if (::fork() >= 0 || errno != EAGAIN) return 5;
    return enter_and_say({.policy = &kNamespacesOnly, .landlock = false}, say);
  });
  EXPECT_EQ(ended.status, 0) << ended.said << ended.signal;
  EXPECT_THAT(ended.said, HasSubstr(", namespaces, Landlock"));
}

// MDWE is a second barrier: the filter refuses the same.
TEST(EnterTest, WorksWithoutMdweWhateverTheReason) {
  if (LOCALPROXY_SANITIZER_BUILD) GTEST_SKIP() << "a sanitizer makes system calls of its own";
  for (const int error : {EINVAL, EPERM, EACCES, ENOSYS}) {
    const Ended ended = in_child([error](const Child::Say& say) {
      if (!leave_root() || !install_refusal({"mdwe", SYS_prctl, 65, error, ""})) return 2;
      const auto entered = enter({.policy = &kMonitorPolicy, .landlock = false});
      if (!entered) return 3;
      say(entered->mdwe ? "yes" : "no");
      return 0;
    });
    EXPECT_EQ(ended.said, "no") << error;
  }
}

TEST(EnterTest, SaysWhenThereIsNoLandlock) {
  const Ended ended = in_child([](const Child::Say& say) {
    return leave_root() ? enter_and_say({.policy = &kNetPolicy, .landlock = false}, say) : 2;
  });
  EXPECT_EQ(ended.status, 0) << ended.signal;
  EXPECT_EQ(ended.said, expected_report(kNetPolicy, 0));
}

TEST(EnterTest, RootIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "not root";
  const Ended ended = in_child(
      [](const Child::Say& say) { return enter_and_say({.policy = &kNetPolicy, .landlock = false}, say); });
  EXPECT_EQ(ended.status, 3);
  EXPECT_EQ(ended.said, "this process is still root");
}

TEST(EnterTest, ASecondThreadIsRefused) {
  const Ended ended = in_child([](const Child::Say& say) {
    if (!leave_root()) return 2;
    std::thread([] { ::pause(); }).detach();
    return enter_and_say({.policy = &kNetPolicy, .landlock = false}, say);
  });
  EXPECT_EQ(ended.status, 3);
  EXPECT_THAT(ended.said, HasSubstr("/proc/self/status says Threads 2 instead of 1"));
}

TEST(EnterTest, AMissingParentIsAnError) {
  const Ended ended = in_child([](const Child::Say& say) {
    // Its own id is never its parent's.
    return leave_root() ? enter_and_say({.policy = &kNetPolicy, .parent = ::getpid(), .landlock = false}, say)
                        : 2;
  });
  EXPECT_EQ(ended.status, 3);
  EXPECT_EQ(ended.said, "the monitor is gone");
}

TEST(EnterTest, TiedToItsParentBeforeAnythingElse) {
  // A process that hangs while it enters must not outlive its parent, so the tie comes before the namespaces.
  const pid_t nobody = ::getppid();
  const std::string before = own_user_namespace();
  const Ended ended = in_child([&](const Child::Say& say) {
    if (!leave_root()) return 2;
    const auto entered = enter({.policy = &kNetPolicy, .parent = nobody, .landlock = false});
    if (entered.ok() || own_user_namespace() != before) return 1;
    int signal = 0;
    ::prctl(PR_GET_PDEATHSIG, &signal, 0, 0, 0);
    say(entered.error().text());
    return signal == SIGKILL ? 0 : 3;
  });
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ended.said, "the monitor is gone");
}

TEST(EnterTest, ALivingParentIsFine) {
  const pid_t parent = ::getpid();
  const Ended ended = in_child([parent](const Child::Say& say) {
    return leave_root() ? enter_and_say({.policy = &kNetPolicy, .parent = parent, .landlock = false}, say)
                        : 2;
  });
  EXPECT_EQ(ended.status, 0) << ended.said;
}

TEST(EnterTest, TheKernelReportsTheSame) {
  auto pipe = make_pipe();
  ASSERT_TRUE(pipe.ok());
  // A pipe that holds the child in its sandbox until it has been inspected.
  ASSERT_EQ(::fcntl(pipe->first.get(), F_SETFL, 0), 0);
  Child child([&pipe](const Child::Say& say) {
    pipe->second.reset();
    if (!leave_root()) return 2;
    if (const int failed = enter_and_say({.policy = &kBridgePolicy, .landlock = false}, say)) return failed;
    char byte = 0;
    return static_cast<int>(::read(pipe->first.get(), &byte, 1));
  });
  ASSERT_THAT(child.hear(), HasSubstr("uid "));
  const std::string process = std::to_string(child.pid());
  EXPECT_EQ(value_of(process, "status", "NoNewPrivs"), "1");
  if (!LOCALPROXY_SANITIZER_BUILD) {
    EXPECT_EQ(value_of(process, "status", "Seccomp"), "2");
  }
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"})
    EXPECT_EQ(value_of(process, "status", set), "0000000000000000") << set;
  const auto expect_none = [&process](const char* limit) {
    EXPECT_THAT(value_of(process, "limits", limit), testing::MatchesRegex("0 +0 +.*")) << limit;
  };
  expect_none("Max core file size");
  expect_none("Max file size");
  if (!LOCALPROXY_SANITIZER_BUILD) expect_none("Max processes");
  pipe->second.reset();
  EXPECT_EQ(child.wait().status, 0);
}

TEST(EnterTest, AForbiddenCallKills) {
  if (LOCALPROXY_SANITIZER_BUILD) GTEST_SKIP() << "a sanitizer makes system calls of its own";
  const Ended ended = in_child([](const Child::Say& say) {
    if (!leave_root() || enter_and_say({.policy = &kNetPolicy, .landlock = false}, say) != 0) return 2;
    return static_cast<int>(::syscall(SYS_socket, 2, 1, 0));
  });
  EXPECT_EQ(ended.signal, SIGSYS) << ended.status;
}

}  // namespace
}  // namespace localproxy::sandbox
