// What the main() of every child begins with: hear from the monitor what to load, enter the sandbox, say so.
#pragma once

#include <memory>

#include "base/log.h"
#include "event/loop.h"
#include "ipc/port.h"
#include "sandbox/enter.h"

namespace localproxy {

// The descriptors that a child is started with, besides /dev/null as 0 and 1 and a socket to the monitor
// as 2.
inline constexpr int kMonitorFd = 3;
inline constexpr int kSiblingFd = 4;  // net
// launch: the programs that it starts.
inline constexpr int kNetProgramFd = 4;
inline constexpr int kBridgeProgramFd = 5;
inline constexpr int kResolveProgramFd = 6;
inline constexpr int kNullFd = 7;

class Child {
 public:
  // Ends the process when somebody has started it by hand.
  explicit Child(ipc::Role role);

  // Waits for SETUP. Ends the process when it does not come.
  const ipc::Setup& wait_for_setup();
  // Enters the sandbox and sends READY. Ends the process when that fails.
  void enter_sandbox(const sandbox::Policy& policy, const sandbox::PolicyInputs& inputs);
  // Runs the loop until the role stops it; the exit status of main().
  int run();

  event::Loop& loop() { return loop_; }
  ipc::Port& monitor() { return *monitor_; }
  Log& log() { return *log_; }

 private:
  event::Loop loop_;
  std::unique_ptr<ipc::Port> monitor_;
  std::unique_ptr<Log> log_;
  ipc::Setup setup_;
  bool has_setup_ = false;
};

}  // namespace localproxy
