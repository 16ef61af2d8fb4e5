// Compares the policies with the calls that the roles really make, as tests/sandbox/record-calls recorded
// them in all integration tests. Every recorded call must have a rule, and every rule a recorded call, apart
// from the exceptions below, each with its reason.
#include <errno.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "sandbox/filter.h"

namespace localproxy::sandbox {
namespace {

const Policy* const kRecordedPolicies[] = {&kMonitorPolicy, &kNetPolicy, &kBridgePolicy, &kResolvePolicy,
                                           &kLaunchPolicy};

constexpr const char* kEvery = "every";
constexpr uint32_t kSocketFlags = SOCK_CLOEXEC | SOCK_NONBLOCK;

struct RecordedCall {
  std::string text;  // the line of the record
  std::string role;
  std::string name;
  std::map<unsigned, uint64_t> args;  // by index; only those that policies have conditions on
};

// Another record, from a test that makes its own.
constexpr const char* kRecordVariable = "LOCALPROXY_CALLS";

std::vector<RecordedCall> read_record() {
  const char* other = ::getenv(kRecordVariable);
  std::ifstream file(other != nullptr ? other : LOCALPROXY_RECORDED_CALLS);
  std::vector<RecordedCall> calls;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    RecordedCall call{.text = line};
    std::istringstream words(line);
    words >> call.role >> call.name;
    for (std::string word; words >> word;) {
      const size_t equals = word.find('=');
      call.args[static_cast<unsigned>(std::stoul(word))] = std::stoull(word.substr(equals + 1), nullptr, 0);
    }
    calls.push_back(std::move(call));
  }
  return calls;
}

// The calls that this machine's architecture has; -1 for a name that libseccomp does not know.
int number_of(const RecordedCall& call) {
  constexpr std::string_view kUnknown = "syscall_";
  // The name that strace gives to a system call newer than itself.
  if (call.name.starts_with(kUnknown)) return std::stoi(call.name.substr(kUnknown.size()), nullptr, 0);
  return seccomp_syscall_resolve_name(call.name.c_str());
}

bool decides(const Rule& rule, const RecordedCall& call) {
  const auto holds = [&call](const Arg& condition) {
    const auto found = call.args.find(condition.index);
    return found != call.args.end() && (found->second & condition.mask) == condition.value;
  };
  return rule.number == number_of(call) && std::all_of(rule.args, rule.args + rule.arg_count, holds);
}

std::string name_of(const Rule& rule) {
  const std::unique_ptr<char, decltype(&free)> name(
      seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, rule.number), &free);
  return name ? name.get() : std::to_string(rule.number);
}

// Names and flags differ between architectures.
bool is_of_this_architecture() {
#ifdef __x86_64__
  return true;
#else
  return ::getenv(kRecordVariable) != nullptr;
#endif
}
constexpr const char* kOfAnother = "the record is of x86_64; test_calls.py makes one of this machine";

class RecordedCallsTest : public testing::TestWithParam<const Policy*> {
 protected:
  void SetUp() override {
    if (!is_of_this_architecture()) GTEST_SKIP() << kOfAnother;
    for (const RecordedCall& call : read_record()) {
      if (call.role == GetParam()->role) calls_.push_back(call);
    }
  }
  std::vector<RecordedCall> calls_;
};

INSTANTIATE_TEST_SUITE_P(Roles, RecordedCallsTest, testing::ValuesIn(kRecordedPolicies),
                         [](const auto& each) { return std::string(each.param->role); });

TEST_P(RecordedCallsTest, NoCallLacksARule) {
  if (::getenv(kRecordVariable) == nullptr) {
    ASSERT_GT(calls_.size(), 10U) << "no record: tests/sandbox/record-calls makes one";
  }
  const auto rules = with_variants(all_rules(*GetParam(), kAllNeeds), seccomp_arch_native());
  for (const RecordedCall& call : calls_) {
    if (number_of(call) > static_cast<int>(kNewestCall)) continue;  // refused with ENOSYS
    EXPECT_TRUE(std::ranges::any_of(rules, [&call](const Rule& rule) { return decides(rule, call); }))
        << "no rule allows: " << call.text;
  }
}

// A rule that no test exercises, and why it is needed.
struct Exception {
  const char* role;  // "every": what all roles have
  Rule rule;         // its reason says why it is needed
  // It may be recorded or not: that depends on the name services of the recording machine.
  bool may_be_used = false;
};

constexpr const char* kLibseccomp = "2.5 asks no further when there is no TSYNC; others may";

const Exception kExceptions[] = {
    {"every", allow(SCMP_SYS(epoll_pwait), "aarch64 has no epoll_wait")},
    {"every", allow(SCMP_SYS(mremap), equals(3, MREMAP_MAYMOVE),
                    "realloc of more than 128 KiB: libevent's table of many descriptors")},
    {"every", refuse(SCMP_SYS(mmap), equals_but(3, 0xfc00'0000, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB),
                     ENOMEM, "GLIBC_TUNABLES=glibc.malloc.hugetlb=2")},
    {"every",
     refuse(SCMP_SYS(madvise), equals(2, MADV_HUGEPAGE), EINVAL, "GLIBC_TUNABLES=glibc.malloc.hugetlb=1")},
    {"every", allow(SCMP_SYS(clock_gettime), only(0, 7), "a kernel or a clock source without the vDSO")},
    {"every", allow(SCMP_SYS(gettimeofday), "a kernel or a clock source without the vDSO")},
    {"monitor", allow(SCMP_SYS(unlinkat), equals(2, 0), "aarch64 has no unlink")},
    {"monitor", allow(SCMP_SYS(fstat), "glibc 2.39 and newer use it instead of newfstatat")},
    {"net", allow(SCMP_SYS(mmap), equals(2, PROT_READ | PROT_WRITE), equals(3, 0x08 | MAP_ANONYMOUS),
                  "glibc 2.41 on Linux 6.11")},
    {"net", allow(SCMP_SYS(rt_sigprocmask), "glibc 2.41 on Linux 6.11")},
    {"net",
     allow(SCMP_SYS(getrandom), equals(2, 0), "OpenSSL seeds again on a connection that lasts an hour")},
    {"resolve", allow(SCMP_SYS(fstat), "glibc 2.39 and newer use it instead of newfstatat")},
    {"resolve", allow(SCMP_SYS(pread64), "modules whose program headers are not at their front")},
    {"resolve", allow(SCMP_SYS(socket), equals(0, AF_INET6), equals_but(1, kSocketFlags, SOCK_STREAM),
                      equals(2, 0), "DNS over TCP to a server with an IPv6 address")},
    {"resolve", allow(SCMP_SYS(setsockopt), equals(1, IPPROTO_IPV6), equals(2, IPV6_RECVERR),
                      "a DNS server with an IPv6 address")},
    {"resolve", allow(SCMP_SYS(getsockopt), equals(1, SOL_SOCKET), equals(2, SO_PROTOCOL),
                      "libnss-myhostname 252 and 257, seen by hand")},
    {"resolve", allow(SCMP_SYS(getsockopt), equals(1, SOL_NETLINK), equals(2, NETLINK_LIST_MEMBERSHIPS),
                      "libnss-myhostname 252 and 257, seen by hand")},
    {"resolve", allow(SCMP_SYS(setsockopt), equals(1, SOL_NETLINK), equals(2, NETLINK_EXT_ACK),
                      "libnss-myhostname 252 and 257, seen by hand")},
    {"resolve", allow(SCMP_SYS(setsockopt), equals(1, SOL_NETLINK), equals(2, NETLINK_GET_STRICT_CHK),
                      "libnss-myhostname 252 and 257, seen by hand")},
    {"resolve", allow(SCMP_SYS(setsockopt), equals(1, SOL_NETLINK), equals(2, NETLINK_PKTINFO),
                      "libnss-myhostname 252 and 257, seen by hand")},
    {"resolve", allow(SCMP_SYS(ppoll), "libnss-resolve and libnss-myhostname 252; aarch64 has no poll")},
    {"resolve", allow(SCMP_SYS(restart_syscall), "SIGSTOP, or the suspension of the system, during poll")},
    {"resolve", allow(SCMP_SYS(fcntl), equals(1, F_GETFD), "libnss-mdns 0.15, seen by hand")},
    {"resolve", allow(SCMP_SYS(fcntl), equals(1, F_SETFD), "libnss-mdns 0.15, seen by hand")},
    {"resolve", allow(SCMP_SYS(fcntl), equals(1, F_GETFL), "libnss-mdns 0.15, seen by hand")},
    {"resolve", allow(SCMP_SYS(rt_sigprocmask), "libnss-resolve, -mymachines and -myhostname 252 and 257"),
     true},
    {"resolve", allow(SCMP_SYS(prctl), equals(0, PR_CAPBSET_READ), "libnss-mymachines, -myhostname 252"),
     true},
    {"resolve", allow(SCMP_SYS(getrandom), "libnss-myhostname 257, seen by hand")},
    {"resolve", allow(SCMP_SYS(getpid), "libnss-myhostname 252 and 257, seen by hand")},
    {"launch", allow(SCMP_SYS(seccomp), equals(0, SECCOMP_GET_NOTIF_SIZES), kLibseccomp)},
    {"launch", refuse(SCMP_SYS(seccomp), all_of(1, SECCOMP_FILTER_FLAG_LOG), EINVAL, kLibseccomp)},
    {"launch", refuse(SCMP_SYS(seccomp), all_of(1, SECCOMP_FILTER_FLAG_SPEC_ALLOW), EINVAL, kLibseccomp)},
    {"launch", refuse(SCMP_SYS(seccomp), all_of(1, SECCOMP_FILTER_FLAG_NEW_LISTENER), EINVAL, kLibseccomp)},
    {"launch", refuse(SCMP_SYS(clone3), ENOSYS, "a libc that tries it first")},
    {"launch", allow(SCMP_SYS(faccessat), "aarch64 has no access")},
    {"launch", allow(SCMP_SYS(dup2), "a container without dup3")},
    {"launch", allow(SCMP_SYS(set_tls), "32-bit Arm alone has it")},
    {"launch", allow(SCMP_SYS(ugetrlimit), equals(0, RLIMIT_STACK), "32-bit Arm alone has it")},
    {"launch", allow(SCMP_SYS(fstat), "glibc 2.39 and newer use it instead of newfstatat")},
};

bool same(const Rule& a, const Rule& b) {
  return covers(a, b) && covers(b, a);
}

class RulesTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!is_of_this_architecture()) GTEST_SKIP() << kOfAnother;
  }
  // The rules in this role's own table.
  std::span<const Rule> rules() const {
    if (GetParam() == kEvery) return common_rules();
    return (*std::ranges::find(kRecordedPolicies, GetParam(), [](const Policy* each) { return each->role; }))
        ->system_calls;
  }
  // A rule that all roles have is needed if any of them uses it.
  bool is_recorded(const Rule& rule) const {
    return std::ranges::any_of(calls_, [&](const RecordedCall& call) {
      return (GetParam() == kEvery || call.role == GetParam()) && decides(rule, call);
    });
  }
  const Exception* exception_of(const Rule& rule) const {
    const auto found = std::ranges::find_if(kExceptions, [&](const Exception& exception) {
      return exception.role == GetParam() && same(exception.rule, rule);
    });
    return found == std::end(kExceptions) ? nullptr : found;
  }

  const std::vector<RecordedCall> calls_ = read_record();
};

INSTANTIATE_TEST_SUITE_P(Roles, RulesTest,
                         testing::Values(kEvery, "monitor", "net", "bridge", "resolve", "launch"),
                         [](const auto& each) { return each.param; });

TEST_P(RulesTest, EachIsUsedOrHasItsException) {
  for (const Rule& rule : rules())
    EXPECT_TRUE(is_recorded(rule) || exception_of(rule) != nullptr)
        << "no role uses " << name_of(rule) << ": " << rule.reason;
}

TEST_P(RulesTest, NoExceptionIsUsedOrStale) {
  for (const Exception& exception : kExceptions) {
    if (exception.role != GetParam()) continue;
    EXPECT_TRUE(exception.may_be_used || !is_recorded(exception.rule))
        << name_of(exception.rule) << " is used, and no exception: " << exception.rule.reason;
    EXPECT_TRUE(std::ranges::any_of(rules(), [&](const Rule& rule) { return same(rule, exception.rule); }))
        << "no rule for the exception " << name_of(exception.rule) << ": " << exception.rule.reason;
  }
}

// The tests above rely on this: a call counts for the rules that it matches, and for no others.
TEST(RecordTest, ACallMeetsARuleWithAllItsConditions) {
  const RecordedCall call{.name = "socket", .args = {{0, AF_INET}, {1, SOCK_DGRAM | SOCK_CLOEXEC}}};
  const auto rule = [](uint32_t family, uint32_t type) {
    return allow(SCMP_SYS(socket), equals(0, family), equals_but(1, kSocketFlags, type), "");
  };
  EXPECT_TRUE(decides(rule(AF_INET, SOCK_DGRAM), call));
  EXPECT_FALSE(decides(rule(AF_INET, SOCK_STREAM), call));
  EXPECT_FALSE(decides(rule(AF_INET6, SOCK_DGRAM), call));
  EXPECT_FALSE(decides(allow(SCMP_SYS(socket), equals(2, 0), ""), call)) << "it is not recorded";
  EXPECT_FALSE(decides(allow(SCMP_SYS(socketpair), ""), call));
}

}  // namespace
}  // namespace localproxy::sandbox
