// Enters the sandbox: one call, which every process makes before it reads the first byte from outside, and
// which succeeds as a whole or not at all. On an error the process must exit.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"
#include "sandbox/landlock.h"
#include "sandbox/namespaces.h"
#include "sandbox/policy.h"

namespace localproxy::sandbox {

struct Request {
  const Policy* policy = nullptr;
  // The process whose death ends this one; 0 for the monitor, which has none.
  pid_t parent = 0;
  // policy->landlock(), called before the ids are switched. By default the process can reach nothing.
  LandlockRules landlock_rules;
  // Of this run. By default the filter is the narrowest one of the role.
  Needs needs = 0;
  // False: --sandbox=no-landlock, and the rules are ignored.
  bool landlock = true;
  // Of the namespaces, if the policy asks for them and the process has begun it before; null: it is done now.
  NamespaceTrial* trial = nullptr;
};

// Which of the steps that depend on the system are in force. All other steps are, or enter() has returned an
// error.
struct SandboxStatus {
  unsigned uid = 0;
  unsigned gid = 0;
  bool mdwe = false;          // memory that was writable never becomes executable
  bool namespaces = false;    // of its own
  std::string not_granted;    // why not, when the policy asks for them
  int landlock_abi = 0;       // 0: it was not asked for
  bool system_calls = false;  // false: a sanitizer build
};

// The first act of every main(): from now on no process of the same user can trace this one or read its
// memory, and it leaves no core file. It holds no secret yet. become() and enter() do it again, since the
// kernel takes the setting back when the ids of a process change.
Result<> forbid_inspection();

// PR_SET_PDEATHSIG, namespaces, capabilities, not dumpable, MDWE, resource limits, no-new-privs, Landlock,
// seccomp, and a check of what the kernel reports. REQUIRES: one thread, ids already switched
// (sandbox/ids.h).
Result<SandboxStatus> enter(const Request& request);

}  // namespace localproxy::sandbox
