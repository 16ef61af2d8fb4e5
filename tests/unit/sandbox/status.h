// What the kernel reports about a process, and ordinary users for tests to become.
#pragma once

#include <pwd.h>
#include <sys/types.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <string>

#include "sandbox/ids.h"

namespace localproxy::sandbox::test {

// The value of a line of /proc/PID/FILE: what follows its name, blanks around it removed.
inline std::string value_of(const std::string& process, const std::string& file, const std::string& name) {
  std::ifstream status("/proc/" + process + "/" + file);
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with(name)) continue;
    line.erase(0, line.find_first_not_of(" \t:", name.size()));
    line.erase(line.find_last_not_of(" \t") + 1);
    return line;
  }
  return "";
}

// The name of a user that is not root and not in root's group.
inline std::optional<passwd> ordinary_user() {
  std::optional<passwd> found;
  ::setpwent();
  while (const passwd* entry = ::getpwent()) {
    if (entry->pw_uid == 0 || entry->pw_gid == 0) continue;
    found = *entry;
    break;
  }
  return found;
}

// A user and a group that no system has.
inline constexpr Ids kIds{12'345, 54'321};

// As any process does it before it enters its sandbox: not as root.
inline bool leave_root() {
  return ::geteuid() != 0 || become(kIds).ok();
}

}  // namespace localproxy::sandbox::test
