#include "monitor/sandbox_report.h"

#include <gtest/gtest.h>

namespace localproxy::monitor {
namespace {

using ipc::Ready;
using ipc::Role;

Ready full() {
  Ready ready;
  ready.user = 999;
  ready.group = 994;
  ready.mdwe = 1;
  ready.namespaces = 1;
  ready.landlock_abi = 7;
  ready.system_calls = 1;
  return ready;
}

TEST(SandboxLineTest, SaysAllThatWasReached) {
  EXPECT_EQ(sandbox_line(full()),
            "sandbox: uid 999 gid 994, no capabilities, no-new-privs, no writable code, own user, network, "
            "mount, ipc and uts namespaces, empty root, Landlock ABI 7, seccomp filter");
}

TEST(SandboxLineTest, SaysWhatWasNot) {
  Ready ready = full();
  ready.mdwe = 0;
  ready.namespaces = 0;
  EXPECT_EQ(sandbox_line(ready),
            "sandbox: uid 999 gid 994, no capabilities, no-new-privs, Landlock ABI 7, seccomp filter")
      << "a process that asks for no namespaces";
  ready.not_granted = "Operation not permitted";
  ready.landlock_abi = 0;
  ready.system_calls = 0;
  EXPECT_EQ(sandbox_line(ready),
            "sandbox: uid 999 gid 994, no capabilities, no-new-privs, no namespaces (Operation not "
            "permitted), NO LANDLOCK (--sandbox=no-landlock), NO SECCOMP (sanitizer build: for tests only)");
}

TEST(SandboxTableTest, HasAColumnForEachProcess) {
  Ready less = full();
  less.user = 4'294'967'295;
  less.mdwe = 0;
  less.namespaces = 0;
  less.not_granted = "No space left on device";
  less.landlock_abi = 0;
  less.system_calls = 0;
  EXPECT_EQ(sandbox_table({{Role::kMonitor, full()}, {Role::kNet, less}}),
            "                    monitor     net\n"
            "user id             999         4294967295\n"
            "group id            994         994\n"
            "no capabilities     yes         yes\n"
            "no new privileges   yes         yes\n"
            "no core, no ptrace  yes         yes\n"
            "no writable code    yes         by filter\n"
            "namespaces          own         shared\n"
            "Landlock            ABI 7       NO\n"
            "system call filter  yes         NO\n"
            "net: the system grants no namespaces: No space left on device\n");
}

}  // namespace
}  // namespace localproxy::monitor
