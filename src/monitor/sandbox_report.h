// The sandboxes that the processes reached, for people: a line in the log, and --sandbox-report, which starts
// each helper with nothing to do and prints a table.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/config.h"
#include "event/loop.h"
#include "ipc/messages.h"
#include "monitor/launcher.h"

namespace localproxy::monitor {

// "sandbox: uid 999 gid 994, no capabilities, no-new-privs, ..."
std::string sandbox_line(const ipc::Ready& reached);

using SandboxReports = std::vector<std::pair<ipc::Role, ipc::Ready>>;

// A column for each process, in the order given, a row for each step, and notes below.
std::string sandbox_table(const SandboxReports& processes);

// Starts the helpers, one after the other. Each is killed once it has reported what it reached.
class IdleHelpers {
 public:
  // on_change: called from the loop when the last one has reported, or one has failed.
  IdleHelpers(const config::Config& config, event::Loop& loop, Launcher& launcher, event::Callback on_change);

  void begin() { next(); }
  bool complete() const { return outcome_.has_value(); }
  // What each reached, the launch process first. It is an error if one of them could not be started or could
  // not enter its sandbox; the log says why. REQUIRES: complete().
  const Result<SandboxReports>& outcome() const { return *outcome_; }

 private:
  void next();
  Result<> start(ipc::Role role);
  void on_ready(ipc::Role role);
  void end(Result<SandboxReports> outcome);

  Launcher& launcher_;
  event::Callback on_change_;
  const ipc::Setup setup_;
  SandboxReports reports_;
  std::optional<Result<SandboxReports>> outcome_;
  std::unique_ptr<Child> child_;
  event::Deferred deferred_;
};

}  // namespace localproxy::monitor
