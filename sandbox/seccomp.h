// The system call filter of a role, made with libseccomp from its policy.
#pragma once

#include "base/result.h"
#include "sandbox/policy.h"

namespace localproxy::sandbox {

// Loads the filter: what no rule allows kills the process, and so does another architecture's call.
// REQUIRES: no-new-privs.
Result<> enter_seccomp(const Policy& policy);

}  // namespace localproxy::sandbox
