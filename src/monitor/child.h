// A helper process, as its parent sees it: started, heard, waited for.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/token_bucket.h"
#include "config/config.h"
#include "event/loop.h"
#include "ipc/port.h"
#include "monitor/stderr_log.h"

namespace localproxy::monitor {

// How a process ended.
struct Exit {
  bool by_signal = false;
  int number = 0;                // of the signal, or the exit status
  std::string not_started = {};  // why; empty: it was
  // What it said on its standard error, if it said why.
  std::string last_words = {};
  // "ended with status 71: dup3: Operation not permitted", "was killed by SIGSYS (sandbox violation)", "was
  // not started: ...".
  std::string describe() const;
};

// The first message to a child of the process `parent`: what all children are told.
ipc::Setup setup_of(const config::Config& config, pid_t parent);

// Adds which root certificates there are.
void add_roots(const config::Config& config, ipc::Setup& setup);

class Child;

// Who makes children, and ends them.
class Starter {
 public:
  // What a child gets: its channel to us, its standard error, and what else it is for.
  struct Parts {
    ipc::Role role;
    UniqueFd channel;
    UniqueFd errors;
    UniqueFd sibling;
    bool standard_streams;
  };
  virtual ~Starter() = default;
  // The number by which the child is known here. Its end is told by Child::exited(), from the loop.
  virtual Result<uint32_t> start(Child& child, Parts parts) = 0;
  virtual void kill(uint32_t number) = 0;
  // Kills it, and tells nobody any more.
  virtual void forget(uint32_t number) = 0;
  // Whether start() could not do its work yet, since the kernel has run out of something.
  virtual bool is_short() const { return false; }
};

class Child {
 public:
  struct Events {
    std::function<void()> on_ready;  // it is in its sandbox
    std::function<void(const Exit& exit)>
        on_exit;  // called last, from the loop, unless the child is destroyed before; not to destroy it
  };

  struct Start {
    ipc::Role role;
    const ipc::Setup& setup;  // its first message
    UniqueFd sibling = UniqueFd();
    bool standard_streams = false;  // it gets our standard input and output, instead of /dev/null
  };

  // Starts a helper: fd 3 is its channel to us, fd 4 `sibling` (if valid), and nothing else is open in it but
  // 0 to 2.
  static Result<std::unique_ptr<Child>> start(event::Loop& loop, StderrLog& log, Starter& starter,
                                              Start start, Events events);
  // Kills what still runs.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  bool running() const { return running_; }
  bool ready() const { return reached_.has_value(); }
  // REQUIRES: ready().
  const ipc::Ready& reached() const { return *reached_; }
  ipc::Port& port() { return *port_; }
  void kill();
  // For its starter: it has ended.
  void exited(const Exit& exit);
  // Kills the child unless it ends in time.
  void end_within(std::chrono::milliseconds time) { deadline_.start(time); }

 private:
  Child(event::Loop& loop, StderrLog& log, Starter& starter, ipc::Role role, Events events);
  void on_line(const ipc::LogLine& line);
  void on_shortage(int error);
  void on_stderr();
  void log_stderr(bool all);

  StderrLog& log_;
  Starter& starter_;
  const ipc::Role role_;
  Events events_;
  uint32_t number_ = 0;
  bool running_ = false;
  std::optional<ipc::Ready> reached_;
  std::unique_ptr<ipc::Port> port_;
  UniqueFd stderr_;
  std::unique_ptr<event::Watcher> stderr_watcher_;
  std::string stderr_text_;
  std::string last_words_;  // its last line
  TokenBucket lines_;
  uint64_t dropped_lines_ = 0;
  event::Timer deadline_;
  Exit exit_;
  event::Task exit_task_;
};

}  // namespace localproxy::monitor
