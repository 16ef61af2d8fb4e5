// Private namespaces of a process: an empty network, an empty root, no System V objects. They are a second
// line of defence behind the filter, on kernels that let ordinary users have them.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace localproxy::sandbox {

// A child that tries enter_namespaces() while this process does something else, such as loading certificates.
class NamespaceTrial {
 public:
  // Forks. REQUIRES: one thread.
  NamespaceTrial();
  // Waits for the child, if refusal() did not.
  ~NamespaceTrial();
  NamespaceTrial(const NamespaceTrial&) = delete;
  NamespaceTrial& operator=(const NamespaceTrial&) = delete;

  // Waits for the child. Says which step was refused and why; empty: none. Called once.
  std::string refusal();

 private:
  void wait();

  pid_t child_ = -1;
  UniqueFd answer_;
  std::string not_begun_;
};

// Moves the process into user, network, mount, IPC and UTS namespaces of its own, with an empty directory as
// root and no capability left. Open descriptors stay open. The trial goes first: if the system refuses any
// part (systemd's RestrictNamespaces=, a distribution's setting, a container), nothing changes and the result
// says which part and why; otherwise it is empty. An error: this process was refused what its child was
// granted. Clears PR_SET_PDEATHSIG. REQUIRES: one thread.
Result<std::string> enter_namespaces(NamespaceTrial& trial);

}  // namespace localproxy::sandbox
