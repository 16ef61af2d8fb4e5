// Namespaces of a process's own: an empty network, an empty root, no System V objects of anybody. They are a
// second wall behind the filter, for kernels that let ordinary users have them.
#pragma once

#include <string>

#include "base/result.h"

namespace localproxy::sandbox {

// Leaves the network, the mounts, the System V and POSIX message objects and the host name of the system, and
// the capabilities over it: user, network, mount, IPC and UTS namespaces of its own, an empty directory as
// root, no capability left. What was opened before stays open. The result is empty; where the system refuses
// any part of it (systemd's RestrictNamespaces=, a distribution's setting, a container), nothing has changed
// and the result says which part and why: a child has tried it first. An error: the child was granted what
// this process was not. Leaves the process without PR_SET_PDEATHSIG. REQUIRES: one thread; it may fork.
Result<std::string> enter_namespaces();

}  // namespace localproxy::sandbox
