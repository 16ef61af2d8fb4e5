// The policies as a text, so that they can be reviewed without their source: every rule of every table, with
// its reason.
#pragma once

#include <string>

#include "sandbox/policy.h"

namespace localproxy::sandbox {

// What confines every process alike, and the system calls that each of them may make.
std::string describe_common();

// What confines this role besides. landlock: false: the run does without it.
std::string describe(const Policy& policy, const PolicyInputs& inputs, bool landlock);

// A rule as the policies are shown: "recvmsg  flags = MSG_CMSG_CLOEXEC".
std::string describe(const Rule& rule);

}  // namespace localproxy::sandbox
