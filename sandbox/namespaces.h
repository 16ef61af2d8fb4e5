// Private namespaces of a process: an empty network, an empty root, no System V objects. They are a second
// line of defence behind the filter, on kernels that let ordinary users have them.
#pragma once

#include <string>

#include "base/result.h"

namespace localproxy::sandbox {

// Moves the process into user, network, mount, IPC and UTS namespaces of its own, with an empty directory as
// root and no capability left. Open descriptors stay open. A child tries it first: if the system refuses any
// part (systemd's RestrictNamespaces=, a distribution's setting, a container), nothing changes and the result
// says which part and why; otherwise it is empty. An error: this process was refused what its child was
// granted. Clears PR_SET_PDEATHSIG. REQUIRES: one thread; it may fork.
Result<std::string> enter_namespaces();

}  // namespace localproxy::sandbox
