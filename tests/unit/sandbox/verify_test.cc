// Enters a sandbox without one of its steps, each in turn: what reads it back must notice.
#include "sandbox/verify.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cap-ng.h>
#include <string>
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

constexpr int kPrSetMdwe = 65;
constexpr int kOwn = CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;
constexpr const char* kEmptyDirectory = "/proc/self/fdinfo";

// Restricted like net; the steps are made here, so that one can be left out.
const Policy kRestricted{.role = "test", .system_calls = {}};
const Policy kMayFork{.role = "test", .system_calls = {}, .may_fork = true, .may_write_files = true};

// What is left out, or made differently.
enum class Omit {
  kNothing,
  kNoNewPrivs,
  kDumpable,
  kDeathSignal,
  kMdwe,
  kCore,
  kProcesses,
  kFileSize,
  kUserId,
  kGroupId,
  kThread,
};

bool limit(__rlimit_resource resource) {
  const rlimit none{0, 0};
  return ::setrlimit(resource, &none) == 0;
}

// Whether memory can be sealed here.
bool mdwe_is_known() {
  return in_child([](const Child::Say&) { return ::prctl(kPrSetMdwe, 1, 0, 0, 0) == 0 ? 0 : 1; }).status == 0;
}

int restrict_but(Omit omit, const Child::Say& say) {
  if (!leave_root()) return 2;
  auto verification = Verification::begin();
  if (!verification) return 3;
  Expected expected{.policy = &kRestricted,
                    .uid = ::getuid(),
                    .gid = ::getgid(),
                    .parent = ::getppid(),
                    .mdwe = mdwe_is_known()};
  if (omit == Omit::kUserId) ++expected.uid;
  if (omit == Omit::kGroupId) ++expected.gid;
  if (!drop_capabilities()) return 4;
  if (omit == Omit::kDeathSignal && ::prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0) != 0) return 5;
  if (omit != Omit::kDeathSignal && ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return 5;
  if (::prctl(PR_SET_DUMPABLE, omit == Omit::kDumpable ? 1 : 0, 0, 0, 0) != 0) return 6;
  if (omit != Omit::kMdwe && expected.mdwe && ::prctl(kPrSetMdwe, 1, 0, 0, 0) != 0) return 7;
  if (omit == Omit::kThread) std::thread([] { ::pause(); }).detach();
  if (omit != Omit::kProcesses && !limit(RLIMIT_NPROC)) return 8;
  if (omit != Omit::kFileSize && !limit(RLIMIT_FSIZE)) return 8;
  if (omit != Omit::kCore && !limit(RLIMIT_CORE)) return 8;
  if (omit != Omit::kNoNewPrivs && !test::no_new_privs()) return 9;
  const auto checked = verification->check(expected);
  say(checked.ok() ? "verified" : checked.error().text());
  return 0;
}

struct Omission {
  const char* name;
  Omit omit;
  std::string text;  // what the error says, before any number
};

class VerifyTest : public testing::TestWithParam<Omission> {};

INSTANTIATE_TEST_SUITE_P(
    Steps, VerifyTest,
    testing::Values(Omission{"nothing", Omit::kNothing, "verified"},
                    Omission{"no_new_privs", Omit::kNoNewPrivs,
                             "/proc/self/status says NoNewPrivs 0 instead of 1"},
                    Omission{"dumpable", Omit::kDumpable, "this process is dumpable"},
                    Omission{"death_signal", Omit::kDeathSignal, "this process does not die with its parent"},
                    Omission{"mdwe", Omit::kMdwe, "memory that was writable may become executable"},
                    Omission{"core", Omit::kCore, "RLIMIT_CORE is not 0"},
                    Omission{"processes", Omit::kProcesses, "RLIMIT_NPROC is not 0"},
                    Omission{"file_size", Omit::kFileSize, "RLIMIT_FSIZE is not 0"},
                    Omission{"user_id", Omit::kUserId, "/proc/self/status says Uid "},
                    Omission{"group_id", Omit::kGroupId, "/proc/self/status says Gid "},
                    Omission{"thread", Omit::kThread, "/proc/self/status says Threads 2 instead of 1"}),
    [](const auto& each) { return std::string(each.param.name); });

TEST_P(VerifyTest, NoticesAStepThatWasLeftOut) {
  if (LOCALPROXY_SANITIZER_BUILD && GetParam().omit == Omit::kProcesses)
    GTEST_SKIP() << "a sanitizer may start a process";
  rlimit core{};
  if (GetParam().omit == Omit::kCore && (::getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_max == 0))
    GTEST_SKIP() << "the hard limit of core files is 0 already";
  if (GetParam().omit == Omit::kMdwe && !mdwe_is_known()) GTEST_SKIP() << "this system has no MDWE";
  const Ended ended = in_child([](const Child::Say& say) { return restrict_but(GetParam().omit, say); });
  EXPECT_EQ(ended.status, 0) << ended.signal;
  EXPECT_TRUE(ended.said.starts_with(GetParam().text)) << ended.said;
}

TEST(VerifyCapabilitiesTest, NoticesCapabilitiesThatAreLeft) {
  if (::geteuid() != 0) GTEST_SKIP() << "not root: there is no capability to keep";
  const Ended ended = in_child([](const Child::Say& say) {
    auto verification = Verification::begin();
    if (!verification || !test::no_new_privs()) return 2;
    const auto checked = verification->check({.policy = &kMayFork});
    say(checked.ok() ? "verified" : checked.error().text());
    return 0;
  });
  EXPECT_EQ(ended.status, 0);
  EXPECT_TRUE(ended.said.starts_with("/proc/self/status says CapPrm ")) << ended.said;
}

// The namespaces that are entered, and what else is left out of the namespaces' step.
struct Namespaces {
  const char* name;
  int flags = kOwn;
  bool root = true;
  bool directory = true;
  bool bounding_set = true;
  std::string text = "verified";
};

class VerifyNamespacesTest : public testing::TestWithParam<Namespaces> {};

INSTANTIATE_TEST_SUITE_P(
    Steps, VerifyNamespacesTest,
    testing::Values(
        Namespaces{.name = "nothing"},
        Namespaces{
            .name = "net", .flags = kOwn & ~CLONE_NEWNET, .text = "the net namespace is not one of its own"},
        Namespaces{
            .name = "ipc", .flags = kOwn & ~CLONE_NEWIPC, .text = "the ipc namespace is not one of its own"},
        Namespaces{
            .name = "uts", .flags = kOwn & ~CLONE_NEWUTS, .text = "the uts namespace is not one of its own"},
        Namespaces{
            .name = "mnt", .flags = kOwn & ~CLONE_NEWNS, .text = "the mnt namespace is not one of its own"},
        Namespaces{.name = "root", .root = false, .text = "the root directory is not empty"},
        Namespaces{.name = "directory",
                   .directory = false,
                   .text = "the current directory is outside the root directory"},
        Namespaces{.name = "bounding_set", .bounding_set = false, .text = "/proc/self/status says CapBnd "}),
    [](const auto& each) { return std::string(each.param.name); });

int enter_but(const Namespaces& how, const Child::Say& say) {
  auto verification = Verification::begin();
  if (!leave_root() || !verification) return 2;
  const Expected expected{.policy = &kMayFork, .uid = ::getuid(), .gid = ::getgid(), .namespaces = true};
  if (::unshare(how.flags) != 0) return 3;
  if (how.root && ::chroot(kEmptyDirectory) != 0) return 4;
  if (how.directory && ::chdir("/") != 0) return 4;
  if (how.bounding_set && empty_bounding_set() != 0) return 5;
  // drop_capabilities() would empty the bounding set, too.
  if (capng_get_caps_process() != 0) return 6;
  capng_clear(CAPNG_SELECT_CAPS);
  if (capng_apply(CAPNG_SELECT_CAPS) != 0) return 6;
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0 || ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return 7;
  if (!test::no_new_privs()) return 8;
  const auto checked = verification->check(expected);
  say(checked.ok() ? "verified" : checked.error().text());
  return 0;
}

TEST_P(VerifyNamespacesTest, NoticesAStepThatWasLeftOut) {
  const bool granted =
      in_child([](const Child::Say&) { return leave_root() && ::unshare(kOwn) == 0 ? 0 : 1; }).status == 0;
  if (!granted) GTEST_SKIP() << "this system grants no namespaces";
  const Ended ended = in_child([](const Child::Say& say) { return enter_but(GetParam(), say); });
  EXPECT_EQ(ended.status, 0) << ended.signal;
  EXPECT_TRUE(ended.said.starts_with(GetParam().text)) << ended.said;
}

TEST(VerifyNamespacesTest, NoticesThatNoneWasEntered) {
  const Ended ended = in_child([](const Child::Say& say) {
    auto verification = Verification::begin();
    if (!leave_root() || !verification || !drop_capabilities() || !test::no_new_privs()) return 2;
    const auto checked =
        verification->check({.policy = &kMayFork, .uid = ::getuid(), .gid = ::getgid(), .namespaces = true});
    say(checked.ok() ? "verified" : checked.error().text());
    return 0;
  });
  EXPECT_EQ(ended.status, 0);
  // As root the bounding set has been emptied.
  EXPECT_TRUE(ended.said == "the user namespace is not one of its own" ||
              ended.said.starts_with("/proc/self/status says CapBnd "))
      << ended.said;
}

// What a process with these rules says about Landlock, if it enters it or not.
std::string probed(const LandlockRules& rules, bool enters) {
  const Ended ended = in_child([&](const Child::Say& say) {
    const LandlockProbe probe(rules);
    if (!test::no_new_privs() || (enters && !enter_landlock(rules).ok())) return 2;
    const auto checked = probe.check();
    say(checked.ok() ? "verified" : checked.error().text());
    return 0;
  });
  EXPECT_EQ(ended.status, 0);
  return ended.said;
}

TEST(LandlockProbeTest, NoticesThatItWasNotEntered) {
  EXPECT_EQ(probed({}, false), "Landlock is not in force: / can still be read");
  EXPECT_EQ(probed({.read = {"/proc", "/etc"}}, false), "Landlock is not in force: / can still be read");
}

TEST(LandlockProbeTest, IsContentWhenItWas) {
  if (landlock_abi() == 0) GTEST_SKIP() << "this kernel has no Landlock";
  EXPECT_EQ(probed({}, true), "verified");
  EXPECT_EQ(probed({.read = {"/proc", "/etc"}}, true), "verified");
}

TEST(LandlockProbeTest, AsksForNothingThatTheRulesAllow) {
  if (landlock_abi() == 0) GTEST_SKIP() << "this kernel has no Landlock";
  EXPECT_EQ(probed({.read = {"/"}}, true), "verified");
  EXPECT_EQ(probed({.read = {"/.."}}, true), "verified");
}

// A helper is inside the domain of launch, where `/` cannot be read even before it has its own.
TEST(LandlockProbeTest, FindsAnotherDirectoryInAnOuterDomain) {
  if (landlock_abi() == 0) GTEST_SKIP() << "this kernel has no Landlock";
  const Ended ended = in_child([](const Child::Say& say) {
    if (!test::no_new_privs() || !enter_landlock({.read = {"/proc", "/etc"}}).ok()) return 2;
    const auto checked = LandlockProbe({.read = {"/etc"}}).check();
    say(checked.ok() ? "verified" : checked.error().text());
    return 0;
  });
  EXPECT_EQ(ended.said, "Landlock is not in force: /proc can still be read");
}

}  // namespace
}  // namespace localproxy::sandbox
