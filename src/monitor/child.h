// A helper process, as its parent sees it: started, heard, waited for.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>

#include "event/loop.h"
#include "ipc/port.h"
#include "monitor/helpers.h"
#include "monitor/stderr_log.h"

namespace localproxy::monitor {

// How a process ended.
struct Exit {
  bool by_signal = false;
  int number = 0;  // of the signal, or the exit status
  // "ended with status 71", "was killed by SIGSYS (sandbox violation)".
  std::string describe() const;
};

class Child {
 public:
  struct Events {
    std::function<void()> on_ready;  // it is in its sandbox
    std::function<void(const Exit& exit)>
        on_exit;  // called last, from the loop; the child may be destroyed later
  };

  struct Start {
    ipc::Role role;
    const ipc::Setup& setup;  // its first message
    UniqueFd sibling = UniqueFd();
    bool standard_streams = false;  // it gets our standard input and output, instead of /dev/null
  };

  // Starts a helper: fd 3 is its channel to us, fd 4 `sibling` (if valid), and nothing else is open in it but
  // 0 to 2.
  static Result<std::unique_ptr<Child>> start(event::Loop& loop, StderrLog& log, const Helpers& helpers,
                                              Start start, Events events);
  // Kills and reaps what still runs.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  bool running() const { return pid_ > 0; }
  bool ready() const { return ready_; }
  ipc::Port& port() { return *port_; }
  void kill();
  // To be called after SIGCHLD: notices whether this child has ended.
  void reap();
  // Kills the child unless it ends in time.
  void end_within(std::chrono::milliseconds time) { deadline_.start(time); }

 private:
  Child(event::Loop& loop, StderrLog& log, ipc::Role role, Events events);
  Result<> spawn(const Helpers& helpers, const Start& start, UniqueFd channel);
  void on_stderr();
  void log_stderr(bool all);

  event::Loop& loop_;
  StderrLog& log_;
  const ipc::Role role_;
  Events events_;
  pid_t pid_ = -1;
  bool ready_ = false;
  std::unique_ptr<ipc::Port> port_;
  UniqueFd stderr_;
  std::unique_ptr<event::Watcher> stderr_watcher_;
  std::string stderr_text_;
  event::Timer deadline_;
};

}  // namespace localproxy::monitor
