// The launch process: starts the helpers for the monitor, which therefore does not need the rights that this
// takes, and reports how they end. It sees no secret, no byte of a connection, and nothing from outside.
#pragma once

#include <array>
#include <cstdint>
#include <map>

#include "base/fd.h"
#include "event/loop.h"
#include "ipc/port.h"

namespace localproxy::launch {

// The programs that may be started, opened with O_PATH.
struct Programs {
  UniqueFd net;
  UniqueFd bridge;
  UniqueFd resolve;
  UniqueFd null;  // /dev/null
};

class LaunchProcess {
 public:
  LaunchProcess(event::Loop& loop, ipc::Port& monitor, Programs programs);

 private:
  void on_pass_fd(const ipc::PassFd& message, UniqueFd fd);
  void on_launch(const ipc::Launch& message);
  void not_started(uint32_t number, const Error& why);
  void on_kill(const ipc::Kill& message);
  void on_stop();
  // After SIGCHLD: tells the monitor which children have ended.
  void reap();
  void end_if_stopped();
  const UniqueFd& program(ipc::Role role) const;

  event::Loop& loop_;
  ipc::Port& monitor_;
  const Programs programs_;
  std::array<UniqueFd, static_cast<size_t>(ipc::ChildFd::kLast) + 1> parts_;  // of the next child
  bool lost_part_ = false;              // this process had no room for one of them
  std::map<uint32_t, pid_t> children_;  // by the monitor's number
  bool stopping_ = false;
  event::Signal child_signal_;
};

}  // namespace localproxy::launch
