// What matrix-within can do to the process that it is before it becomes the program.
#pragma once

#include <string>

#include "base/result.h"

namespace localproxy::matrix {

// "ERRNO:CALL,CALL...": these calls fail with that error. CALL=N: only with N as the first argument.
Result<> refuse_calls(const std::string& rule);
// What Docker's default profile lets a container without further capabilities do.
Result<> filter_as_docker();
// In a user namespace that has every id and allows no further one.
Result<> forbid_user_namespaces();
// Puts an empty directory over this one.
Result<> cover(const std::string& path);
// The first process of new PID, mount, IPC and UTS namespaces, with a /proc of their own. Returns in the new
// process; the old one hands signals on and ends as that does.
Result<> become_init();

}  // namespace localproxy::matrix
