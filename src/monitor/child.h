// A helper process as the monitor sees it: its channel, its log lines, its standard error, and its end. How
// it was started is the launcher's business.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/log.h"
#include "event/loop.h"
#include "ipc/port.h"

namespace localproxy::monitor {

// How a process ended.
struct Exit {
  enum class How : uint8_t {
    kStatus,      // it exited
    kSignal,      // a signal killed it
    kTimeout,     // the monitor killed it, because it had not ended in time (Child::end_within())
    kNotStarted,  // it never ran
  };
  How how = How::kStatus;
  int number = 0;  // the exit status, or the signal
  // What it wrote to its standard error, if it said why it ended; or why it was not started.
  std::string why = {};

  // "ended with status 71: dup3: Operation not permitted", "was killed by SIGSYS (sandbox violation)", "was
  // not started: ...".
  std::string describe() const;
};

class Child {
 public:
  // The monitor's ends of the sockets that the process was started with.
  struct Ends {
    UniqueFd channel;
    UniqueFd errors;
  };

  // What the launcher does for the child.
  struct Launched {
    std::function<void()> kill;
    // Kills it, and no longer reports its end.
    std::function<void()> forget;
    // Whether its start may be delayed, because the kernel has run out of something.
    std::function<bool()> is_delayed;
  };

  struct Events {
    std::function<void()> on_ready;  // it is in its sandbox
    // Called last, from the loop, unless the child is destroyed before. It must not destroy the child.
    std::function<void(const Exit& exit)> on_exit;
  };

  // log: what the monitor says of it. lines: what it says. setup: the first message to the process.
  Child(event::Loop& loop, Log& log, Log& lines, ipc::Role role, Ends ends, const ipc::Setup& setup,
        Launched launched, Events events);
  // Kills the process if it still runs.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  bool running() const { return running_; }
  bool ready() const { return reached_.has_value(); }
  // REQUIRES: ready().
  const ipc::Ready& reached() const { return *reached_; }
  ipc::Port& port() { return port_; }
  void kill();
  // Kills the child unless it ends in time.
  void end_within(std::chrono::milliseconds time);
  // Called by the launcher when the process has ended.
  void exited(const Exit& exit);

 private:
  // What the deadline is for.
  enum class Due : uint8_t {
    kReady,  // from its start
    kEnd,    // end_within()
    kExit,   // it has closed its channel
  };
  using Clock = std::chrono::steady_clock;

  void on_end(ipc::Port::End end, const std::string& what);
  void on_ready(const ipc::Ready& ready);
  void on_deadline();
  void on_pong();
  // Asks whether it answers.
  void ask();
  void kill_unanswering();
  void on_line(const ipc::LogLine& line);
  void on_shortage(int error);
  void on_stderr();
  // False: it has no more to read now.
  bool read_stderr();
  void log_stderr(bool all);

  Log& log_;
  Log& lines_;
  const ipc::Role role_;
  const Launched launched_;
  const Events events_;
  bool running_ = true;
  std::optional<ipc::Ready> reached_;
  const UniqueFd stderr_;
  std::string stderr_text_;
  std::string last_words_;  // its last line
  Due due_ = Due::kReady;
  bool late_ = false;  // it was killed for end_within()
  event::Timer deadline_;
  event::Timer alive_;
  Clock::time_point asked_;  // ask() was called last
  int unanswered_ = 0;       // calls of ask() since its last PONG
  Exit exit_;
  event::Task exit_task_;
  ipc::Port port_;
  event::Watcher stderr_watcher_;
};

}  // namespace localproxy::monitor
