// Starts a program: fork, descriptors in order, exec. And what the helpers are called.
#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace localproxy {

// "localproxy-net" for "net".
inline std::string program_name(std::string_view role) {
  return "localproxy-" + std::string(role);
}

// Starts the file that `program` is a descriptor of (opened with O_PATH, so that it is the file that was
// looked at and no other), with argv[0] = name and an empty environment. fds[i] becomes its descriptor i; it
// has no other. Signals that a terminal or a service manager sends to all processes of a group are ignored in
// it, and it dies with this process. REQUIRES: one thread; at most 16 fds.
Result<pid_t> spawn(int program, const char* name, std::span<const int> fds);

}  // namespace localproxy
