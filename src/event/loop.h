// The event loop of a process, and its events: descriptors become ready, time passes, signals arrive.
//
// A thin layer over libevent: one thread, level-triggered. None of these objects may be destroyed from inside
// its own callback; hand it to a Deferred instead.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/fd.h"

struct event;
struct event_base;

namespace localproxy::event {

using Callback = std::function<void()>;

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs until stop(), or until nothing is left to wait for.
  void run();
  // run() returns after the callback that calls this.
  void stop();

  event_base* base() const { return base_; }

 private:
  event_base* base_;
};

// Calls back while a descriptor is readable or writable, if enabled. Does not own the descriptor, which must
// stay open as long as the watcher wants anything.
class Watcher {
 public:
  Watcher(Loop& loop, int fd, Callback on_readable, Callback on_writable);
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  void want_read(bool want);
  void want_write(bool want);

 private:
  Callback on_readable_;
  Callback on_writable_;
  ::event* read_event_;
  ::event* write_event_;
  bool reading_ = false;
  bool writing_ = false;
};

// Work that runs after the current callback has returned. It dies with its owner.
class Task {
 public:
  Task(Loop& loop, Callback callback);
  // A started task does not run any more.
  ~Task();
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;

  // Calls back once, from the loop, in the order in which tasks were started.
  void start();
  void cancel();

 private:
  Callback callback_;
  ::event* event_;
};

// Objects that have ended but may not be destroyed yet, since one of them may be the caller. They are
// destroyed after the current callback has returned, or with the owner.
class Deferred {
 public:
  explicit Deferred(Loop& loop) : task_(loop, [this] { std::exchange(ended_, {}).clear(); }) {}

  template <typename T>
  void destroy(std::unique_ptr<T> ended) {
    if (!ended) return;
    ended_.push_back(std::shared_ptr<T>(std::move(ended)));
    task_.start();
  }

 private:
  std::vector<std::shared_ptr<void>> ended_;
  Task task_;
};

class Timer {
 public:
  Timer(Loop& loop, Callback callback);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // Calls back once after delay; replaces an earlier start().
  void start(std::chrono::milliseconds delay);
  void stop();
  bool running() const { return running_; }

 private:
  Callback callback_;
  ::event* event_;
  bool running_ = false;
};

// Calls back after a signal has arrived, once for several that arrived together. At most one object for each
// signal number.
//
// libevent's own signal events need read(), which the monitor's filter does not allow.
class Signal {
 public:
  Signal(Loop& loop, int number, Callback callback);
  // The signal is ignored from now on.
  ~Signal();
  Signal(const Signal&) = delete;
  Signal& operator=(const Signal&) = delete;

 private:
  void on_readable();

  const int number_;
  Callback callback_;
  FdPair notes_;  // the handler writes to the second, the loop reads from the first
  Watcher watcher_;
};

}  // namespace localproxy::event
