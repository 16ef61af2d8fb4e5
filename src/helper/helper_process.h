// A helper process from the inside. The main() of each helper begins with it: it hears from the monitor what
// to load, enters the sandbox, and reports that. monitor/child.h is the same process, seen from the monitor.
#pragma once

#include <memory>
#include <optional>

#include "base/log.h"
#include "event/loop.h"
#include "ipc/port.h"
#include "sandbox/namespaces.h"
#include "sandbox/policy.h"

namespace localproxy::helper {

class HelperProcess {
 public:
  // The first act of main(): from then on no other process of the user can look inside, and only then may the
  // process hold anything. Ends the process if it was started by hand. policy: of the sandbox that it will
  // enter.
  HelperProcess(ipc::Role role, const sandbox::Policy& policy);

  // Waits for SETUP. Ends the process if it does not come.
  const ipc::Setup& wait_for_setup();
  // Enters the sandbox and sends READY. Ends the process if that fails.
  void enter_sandbox(const sandbox::PolicyInputs& inputs = {});
  // Runs the loop until the role stops it, and returns the exit status for main().
  int run();

  event::Loop& loop() { return loop_; }
  ipc::Port& monitor() { return *monitor_; }
  Log& log() { return *log_; }

 private:
  const sandbox::Policy& policy_;
  // Begun at once: it takes as long as loading certificates, and a fork now has little to copy. Of the
  // helpers only launch changes its user, and that one has no namespaces.
  std::optional<sandbox::NamespaceTrial> trial_;
  event::Loop loop_;
  std::unique_ptr<ipc::Port> monitor_;
  std::unique_ptr<Log> log_;
  ipc::Setup setup_;
  bool has_setup_ = false;
};

}  // namespace localproxy::helper
