// Reads back what entering the sandbox has reached, from the kernel and not from our own variables, before
// the filter takes away the right to ask. A step that was left out, or that the kernel did not take, ends the
// process.
#pragma once

#include <sys/types.h>

#include <array>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "sandbox/policy.h"

namespace localproxy::sandbox {

// What the steps were to reach, as far as that differs between processes.
struct Expected {
  const Policy* policy = nullptr;
  unsigned uid = 0;
  unsigned gid = 0;
  pid_t parent = 0;         // 0: no process whose death ends this one
  bool namespaces = false;  // of its own, with an empty root and bounding set
  bool mdwe = false;
};

// Everything but Landlock and the filter.
class Verification {
 public:
  // Opens what check() reads, and notes the namespaces of now. An error: there is no /proc.
  static Result<Verification> begin();
  // An error says what the kernel reports instead. REQUIRES: no filter of this process's own yet.
  Result<> check(const Expected& expected) const;

 private:
  static constexpr std::array kNamespaces = {"user", "net", "mnt", "ipc", "uts"};
  using Inodes = std::array<ino_t, kNamespaces.size()>;

  Verification() = default;
  Inodes namespaces_now() const;
  Result<> check_namespaces() const;

  UniqueFd status_;      // /proc/self/status; the kernel generates the contents when they are read
  UniqueFd namespaces_;  // /proc/self/ns; -1: it cannot be opened
  Inodes before_{};
};

// Landlock: something that could be done before must be refused afterwards.
class LandlockProbe {
 public:
  // Looks for a directory that can be read now, and that these rules do not allow. A process that may read
  // all of
  // `/`, or that another sandbox keeps from reading any such directory, has none, and nothing is probed.
  explicit LandlockProbe(const LandlockRules& rules);
  // REQUIRES: the rules are in force.
  Result<> check() const;

 private:
  const char* directory_ = nullptr;
};

}  // namespace localproxy::sandbox
