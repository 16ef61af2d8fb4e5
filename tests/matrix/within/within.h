// What matrix-within can take away from its process before it executes the program.
#pragma once

#include <string>

#include "base/result.h"

namespace localproxy::matrix {

// "ERRNO:CALL,CALL...": these calls fail with that error. CALL=N: only with N as the first argument.
Result<> refuse_calls(const std::string& rule);
// Allows only what Docker's default profile allows a container without further capabilities.
Result<> filter_as_docker();
// Enters a user namespace that has every id and allows no further user namespace.
Result<> forbid_user_namespaces();
// Mounts an empty directory over this one.
Result<> cover(const std::string& path);
// Becomes the first process of new PID, mount, IPC and UTS namespaces, with their own /proc. Returns in the
// new process; the old one forwards signals and ends as the new one does.
Result<> become_init();

}  // namespace localproxy::matrix
