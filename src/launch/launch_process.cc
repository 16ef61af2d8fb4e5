#include "launch/launch_process.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "base/exit_status.h"
#include "base/spawn.h"

namespace localproxy::launch {

using ipc::ChildFd;
using ipc::Role;

namespace {

size_t index(ChildFd which) {
  return static_cast<size_t>(which);
}

}  // namespace

LaunchProcess::LaunchProcess(event::Loop& loop, ipc::Port& monitor, Programs programs)
    : loop_(loop),
      monitor_(monitor),
      programs_(std::move(programs)),
      child_signal_(loop, SIGCHLD, [this] { reap(); }) {
  monitor_.on<ipc::PassFd>([this](const ipc::PassFd& m, UniqueFd fd) { on_pass_fd(m, std::move(fd)); });
  monitor_.on<ipc::Launch>([this](const ipc::Launch& m) { on_launch(m); });
  monitor_.on<ipc::Kill>([this](const ipc::Kill& m) { on_kill(m); });
  monitor_.on<ipc::Stop>([this](const ipc::Stop&) { on_stop(); });
}

const UniqueFd& LaunchProcess::program(Role role) const {
  switch (role) {
    case Role::kNet:
      return programs_.net;
    case Role::kBridge:
      return programs_.bridge;
    case Role::kResolve:
      return programs_.resolve;
    case Role::kMonitor:
    case Role::kLaunch:
      break;
  }
  fatal("the monitor asked for a " + std::string(to_string(role)) + " process");
}

void LaunchProcess::on_pass_fd(const ipc::PassFd& message, UniqueFd fd) {
  if (!fd) lost_part_ = true;
  parts_[index(message.which)] = std::move(fd);
}

void LaunchProcess::on_launch(const ipc::Launch& message) {
  const auto parts = std::exchange(parts_, {});
  const UniqueFd& channel = parts[index(ChildFd::kChannel)];
  const UniqueFd& errors = parts[index(ChildFd::kErrors)];
  const UniqueFd& sibling = parts[index(ChildFd::kSibling)];
  if (children_.contains(message.number)) fatal("the monitor asked for a child that is there");
  const std::string name = program_name(to_string(message.role));
  if (std::exchange(lost_part_, false))
    return not_started(message.number, system_error("cannot start " + name, EMFILE));
  if (!channel || !errors) fatal("the monitor asked for a child without its parts");
  const int null = programs_.null.get();
  const bool streams = message.standard_streams;
  // In the order of ipc/descriptors.h.
  std::vector<int> fds{streams ? STDIN_FILENO : null, streams ? STDOUT_FILENO : null, errors.get(),
                       channel.get()};
  if (sibling) fds.push_back(sibling.get());
  const auto pid = spawn(program(message.role).get(), name.c_str(), fds);
  if (!pid) return not_started(message.number, pid.error());
  children_.emplace(message.number, *pid);
}

void LaunchProcess::not_started(uint32_t number, const Error& why) {
  monitor_.send(ipc::Exited{number, false, static_cast<uint8_t>(ExitStatus::kSystem), {why.text()}});
}

void LaunchProcess::on_kill(const ipc::Kill& message) {
  // A child that has just ended is no longer there.
  const auto found = children_.find(message.number);
  if (found != children_.end()) ::kill(found->second, SIGKILL);
}

void LaunchProcess::reap() {
  for (auto child = children_.begin(); child != children_.end();) {
    int status = 0;
    if (::waitpid(child->second, &status, WNOHANG) != child->second) {
      ++child;
      continue;
    }
    const bool by_signal = WIFSIGNALED(status);
    const int value = by_signal ? WTERMSIG(status) : WEXITSTATUS(status);
    monitor_.send(ipc::Exited{child->first, by_signal, static_cast<uint8_t>(value)});
    child = children_.erase(child);
  }
  end_if_stopped();
}

void LaunchProcess::on_stop() {
  monitor_.set_state(ipc::State::kStopping);
  stopping_ = true;
  for (const auto& [number, pid] : children_)
    ::kill(pid, SIGKILL);
  end_if_stopped();
}

void LaunchProcess::end_if_stopped() {
  if (stopping_ && children_.empty()) loop_.stop();
}

}  // namespace localproxy::launch
