// Namespaces of a process's own: an empty network, an empty root, no System V objects of anybody. They are a
// second wall behind the filter, for kernels that let ordinary users have them.
#pragma once

#include <string>

#include "base/result.h"

namespace localproxy::sandbox {

// Leaves the network, the mounts, the System V and POSIX message objects and the host name of the system, and
// the capabilities over it: user, network, mount, IPC and UTS namespaces of its own, and an empty directory
// as root. What was opened before stays open. The result is empty; where the system does not grant them
// (systemd's RestrictNamespaces=, a distribution's setting, a container), nothing has changed and the result
// says why. An error: part of it was granted and the rest was not. Leaves the process
// with all capabilities over its own namespaces, and without PR_SET_PDEATHSIG: both are for the caller to set
// right. REQUIRES: one thread.
Result<std::string> enter_namespaces();

}  // namespace localproxy::sandbox
