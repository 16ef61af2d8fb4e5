// The way into the sandbox: one call, made by every process before the first byte from outside, that succeeds
// as a whole or not at all. Whoever gets an error back must end.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"
#include "sandbox/landlock.h"
#include "sandbox/policy.h"

namespace localproxy::sandbox {

struct Request {
  const Policy* policy = nullptr;
  // The process whose death ends this one; 0 for the monitor, which has none.
  pid_t parent = 0;
  // What the process may still reach (nothing by default); ignored without landlock.
  LandlockRules reach;
  // False: --sandbox=no-landlock.
  bool landlock = true;
};

// Capabilities, PR_SET_PDEATHSIG, not dumpable, MDWE, resource limits, no-new-privs, Landlock, seccomp, and a
// look at what the kernel says of it. The result is one line for the log: what was reached. REQUIRES: one
// thread, ids already switched (sandbox/ids.h).
Result<std::string> enter(const Request& request);

}  // namespace localproxy::sandbox
