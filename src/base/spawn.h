// Starts a program: fork, descriptors in order, exec. Also the names of the helper programs.
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

// Starts the file behind the descriptor `program` (opened with O_PATH, so that it is the file that was
// checked and no other), with argv[0] = name and an empty environment. fds[i] becomes its descriptor i; it
// gets no others. It ignores the signals that a terminal or a service manager sends to a whole process group,
// and it dies with this process. REQUIRES: one thread; at most 16 fds.
Result<pid_t> spawn(int program, const char* name, std::span<const int> fds);

}  // namespace localproxy
