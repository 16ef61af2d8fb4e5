// Starts the processes and reports their ends. The monitor itself forks only localproxy-launch, which forks
// all the helpers. So the monitor's own filter need not allow what a starting program needs.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "config/config.h"
#include "event/loop.h"
#include "monitor/child.h"
#include "monitor/helpers.h"
#include "monitor/source_log.h"

namespace localproxy::monitor {

// The first message to a child of the process `parent`: the part that is the same for all children.
ipc::Setup setup_of(const config::Config& config, pid_t parent);

// Adds where the root certificates are.
void add_roots(const config::Config& config, ipc::Setup& setup);

class Launcher {
 public:
  enum class State : uint8_t {
    kStarting,  // the launch process is not in its sandbox yet
    kReady,     // helpers can be started
    kStopping,  // told to end
    kEnded,     // or given up
  };

  // on_change: called when the state has become kReady or kEnded.
  Launcher(event::Loop& loop, StderrLog& log, event::Callback on_change);
  // Processes that still run die with this one.
  ~Launcher() = default;
  Launcher(const Launcher&) = delete;
  Launcher& operator=(const Launcher&) = delete;

  // Forks the launch process. The helpers' files are needed only here. setup: its first message.
  // standard_streams: it gets our standard input and output, to hand them on.
  Result<> begin(const Helpers& helpers, const ipc::Setup& setup, bool standard_streams);

  // Ends the launch process, which first kills the processes that it started and waits for them, so that
  // nothing is left behind. If that takes longer than limits::kStopLauncher, it is given up. Called at the
  // end of every run, which then waits for State::kEnded.
  void stop();

  State state() const { return state_; }
  // How the launch process ended. REQUIRES: State::kEnded.
  const std::string& end() const { return end_; }
  // The parent of all helpers.
  pid_t pid() const { return pid_; }
  // The sandbox that the launch process reached.
  const ipc::Ready& reached() const { return process_->reached(); }

  // For what the monitor says of others' deeds.
  Log& log_of_others() { return logs_.of(ipc::Role::kMonitor); }

  struct Start {
    ipc::Role role;
    const ipc::Setup& setup;        // its first message
    UniqueFd sibling = UniqueFd();  // its channel to another helper, if it has one
    bool standard_streams = false;  // it gets our standard input and output instead of /dev/null
  };
  // Starts a helper. It lives no longer than the Child, and the Child must not outlive this.
  Result<std::unique_ptr<Child>> start(Start start, Child::Events events);

 private:
  Child::Launched launched(uint32_t number);
  void kill(uint32_t number);
  void on_exited(const ipc::Exited& message);
  void reap();
  void on_end(const Exit& exit);
  void end_now();

  event::Loop& loop_;
  SourceLogs logs_;
  event::Callback on_change_;
  State state_ = State::kEnded;
  std::string end_ = "was not started";
  pid_t pid_ = -1;
  event::Task killed_;  // reports the end of the launch process, which this process cannot signal
  std::optional<event::Signal> child_signal_;
  event::Timer patience_;
  std::map<uint32_t, Child*> children_;  // until each has ended or is destroyed
  uint32_t next_number_ = 1;
  std::unique_ptr<Child> process_;  // the launch process
};

}  // namespace localproxy::monitor
