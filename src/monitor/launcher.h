// The launch process, as the monitor sees it: the one child that it makes itself, and that makes all others.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "monitor/child.h"
#include "monitor/helpers.h"

namespace localproxy::monitor {

class Launcher : public Starter {
 public:
  // Starts it, from then on without need of the helpers' files here, and waits until it is in its sandbox.
  // setup: its first message. standard_streams: it gets our
  // standard input and output, to hand them on.
  static Result<std::unique_ptr<Launcher>> start(event::Loop& loop, StderrLog& log, const Helpers& helpers,
                                                 const ipc::Setup& setup, bool standard_streams);
  ~Launcher() override;

  // Called when it has ended without having been told to; nothing can be started any more.
  void on_lost(std::function<void(const std::string& how)> callback) { on_lost_ = std::move(callback); }

  // The parent of all children.
  pid_t pid() const { return pid_; }
  // What it reached of its sandbox.
  const ipc::Ready& reached() const { return process_->reached(); }

  Result<uint32_t> start(Child& child, Parts parts) override;
  void kill(uint32_t number) override;
  void forget(uint32_t number) override;
  bool is_short() const override { return process_->port().is_short(); }

 private:
  // Makes the launch process itself.
  class Own;

  explicit Launcher(event::Loop& loop);
  void on_exited(const ipc::Exited& message);
  void on_exit(const Exit& exit);

  event::Loop& loop_;
  std::unique_ptr<Own> own_;
  std::unique_ptr<Child> process_;
  pid_t pid_ = -1;
  bool stopping_ = false;
  std::string end_;  // how it ended
  std::function<void(const std::string& how)> on_lost_;
  std::map<uint32_t, Child*> children_;
  uint32_t next_number_ = 1;
};

}  // namespace localproxy::monitor
