#include "monitor/launcher.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "base/limits.h"
#include "base/spawn.h"

namespace localproxy::monitor {

using ipc::Role;
using ipc::Slot;

class Launcher::Own : public Starter {
 public:
  Own(event::Loop& loop, const Helpers& helpers)
      : helpers_(helpers),
        killed_(loop,
                [this] {
                  tell({true, SIGKILL});
                }),
        child_signal_(loop, SIGCHLD, [this] { reap(); }) {}

  Result<uint32_t> start(Child& child, Parts parts) override {
    const int null = helpers_.null.get();
    // As main/child.h has them.
    const std::array fds{parts.standard_streams ? STDIN_FILENO : null,
                         parts.standard_streams ? STDOUT_FILENO : null,
                         parts.errors.get(),
                         parts.channel.get(),
                         helpers_.fd(Role::kNet),
                         helpers_.fd(Role::kBridge),
                         helpers_.fd(Role::kResolve),
                         null};
    auto pid = spawn(helpers_.fd(Role::kLaunch), program_name(Role::kLaunch).c_str(), fds);
    if (!pid) return pid.error();
    pid_ = *pid;
    child_ = &child;
    return 0U;
  }
  // This process has no right to send signals. The launch process dies with it.
  void kill(uint32_t) override { killed_.start(); }
  void forget(uint32_t) override { child_ = nullptr; }

  pid_t pid() const { return pid_; }

 private:
  void reap() {
    int status = 0;
    if (pid_ < 0 || ::waitpid(pid_, &status, WNOHANG) != pid_) return;
    pid_ = -1;
    tell(WIFSIGNALED(status) ? Exit{true, WTERMSIG(status)} : Exit{false, WEXITSTATUS(status)});
  }
  void tell(const Exit& exit) {
    if (Child* child = std::exchange(child_, nullptr)) child->exited(exit);
  }

  const Helpers& helpers_;
  Child* child_ = nullptr;
  pid_t pid_ = -1;
  event::Task killed_;
  event::Signal child_signal_;
};

Launcher::Launcher(event::Loop& loop) : loop_(loop) {}

Result<std::unique_ptr<Launcher>> Launcher::start(event::Loop& loop, StderrLog& log, const Helpers& helpers,
                                                  const ipc::Setup& setup, bool standard_streams) {
  std::unique_ptr<Launcher> launcher(new Launcher(loop));
  Launcher* const raw = launcher.get();
  raw->own_ = std::make_unique<Own>(loop, helpers);
  auto process = Child::start(
      loop, log, *raw->own_, {.role = Role::kLaunch, .setup = setup, .standard_streams = standard_streams},
      {.on_ready = [&loop] { loop.stop(); }, .on_exit = [raw](const Exit& exit) { raw->on_exit(exit); }});
  if (!process) return process.error();
  raw->process_ = std::move(*process);
  raw->pid_ = raw->own_->pid();
  raw->process_->port().on<ipc::Exited>([raw](const ipc::Exited& message) { raw->on_exited(message); });
  loop.run();
  if (!raw->process_->ready()) return Error("the launch process " + raw->end_);
  return launcher;
}

Launcher::~Launcher() {
  stopping_ = true;
  if (!process_ || !process_->running() || !process_->ready()) return;
  // It kills and waits for all children, so that nothing is left behind.
  process_->port().send(ipc::Stop{});
  event::Timer patience(loop_, [this] { loop_.stop(); });
  patience.start(limits::kStopLauncher);
  loop_.run();
}

void Launcher::on_exit(const Exit& exit) {
  end_ = exit.describe();
  loop_.stop();
  if (!stopping_ && on_lost_) on_lost_(end_);
}

void Launcher::on_exited(const ipc::Exited& message) {
  auto node = children_.extract(message.number);
  if (node) node.mapped()->exited({message.by_signal != 0, message.value, message.not_started.value});
}

Result<uint32_t> Launcher::start(Child& child, Parts parts) {
  if (!process_->running()) return Error("the launch process " + end_);
  ipc::Port& port = process_->port();
  port.send(ipc::Part{Slot::kChannel}, std::move(parts.channel));
  port.send(ipc::Part{Slot::kErrors}, std::move(parts.errors));
  if (parts.sibling) port.send(ipc::Part{Slot::kSibling}, std::move(parts.sibling));
  const uint32_t number = next_number_++;
  port.send(ipc::Launch{number, parts.role, static_cast<uint8_t>(parts.standard_streams)});
  children_.emplace(number, &child);
  return number;
}

void Launcher::kill(uint32_t number) {
  if (process_->running()) process_->port().send(ipc::Kill{number});
}

void Launcher::forget(uint32_t number) {
  children_.erase(number);
  kill(number);
}

}  // namespace localproxy::monitor
