#include "monitor/launcher.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "base/limits.h"
#include "base/spawn.h"
#include "config/needs.h"

namespace localproxy::monitor {

using ipc::ChildFd;
using ipc::Role;

namespace {

// Both ends of the sockets that a process is started with.
struct SocketPairs {
  Child::Ends ours;
  Child::Ends theirs;
};

Result<SocketPairs> make_socket_pairs() {
  auto channel = make_socketpair(SOCK_SEQPACKET);
  if (!channel) return channel.error();
  // Sockets and not pipes: the sandbox does not let this process call read().
  auto errors = make_socketpair(SOCK_SEQPACKET);
  if (!errors) return errors.error();
  return SocketPairs{{std::move(channel->first), std::move(errors->first)},
                     {std::move(channel->second), std::move(errors->second)}};
}

Exit exit_of(const ipc::Exited& message) {
  if (const std::string& why = message.not_started.value; !why.empty())
    return {Exit::How::kNotStarted, message.value, why};
  return {message.by_signal ? Exit::How::kSignal : Exit::How::kStatus, message.value};
}

}  // namespace

ipc::Setup setup_of(const config::Config& config, pid_t parent) {
  ipc::Setup setup;
  setup.parent_pid = static_cast<uint32_t>(parent);
  setup.local_names = config::looks_up_local_names(config);
  setup.log_level = static_cast<uint8_t>(config.verbosity);
  setup.landlock = config.landlock;
  return setup;
}

void add_roots(const config::Config& config, ipc::Setup& setup) {
  setup.ca_paths.value = config.cert_paths.value_or(std::vector<std::string>());
  setup.cert_paths = static_cast<uint8_t>(setup.ca_paths.value.size());
  setup.ca_paths.value.insert(setup.ca_paths.value.end(), config.ca_paths.begin(), config.ca_paths.end());
  setup.ca_file.value = config.ca_file;
  setup.crl_file.value = config.crl_file;
  setup.has_cert_file = config.cert_file.has_value();
  setup.cert_file.value = config.cert_file.value_or("");
  setup.has_cert_paths = config.cert_paths.has_value();
}

Launcher::Launcher(event::Loop& loop, StderrLog& log, event::Callback on_change)
    : loop_(loop),
      logs_(loop, log),
      on_change_(std::move(on_change)),
      killed_(loop,
              [this] {
                process_->exited({Exit::How::kSignal, SIGKILL});
              }),
      patience_(loop, [this] { end_now(); }) {}

// ---- the launch process ----

Result<> Launcher::begin(const Helpers& helpers, const ipc::Setup& setup, bool standard_streams) {
  auto sockets = make_socket_pairs();
  if (!sockets) return sockets.error();
  const int null = helpers.null.get();
  // In the order of ipc/descriptors.h.
  const std::array fds{standard_streams ? STDIN_FILENO : null,
                       standard_streams ? STDOUT_FILENO : null,
                       sockets->theirs.errors.get(),
                       sockets->theirs.channel.get(),
                       helpers.fd(Role::kNet),
                       helpers.fd(Role::kBridge),
                       helpers.fd(Role::kResolve),
                       null};
  child_signal_.emplace(loop_, SIGCHLD, [this] { reap(); });
  const auto pid = spawn(helpers.fd(Role::kLaunch), program_name(to_string(Role::kLaunch)).c_str(), fds);
  if (!pid) return pid.error();
  pid_ = *pid;
  state_ = State::kStarting;
  process_ = std::make_unique<Child>(
      loop_, logs_.of(Role::kMonitor), logs_.of(Role::kLaunch), Role::kLaunch, std::move(sockets->ours),
      setup,
      // This process may not send signals. The launch process dies with it.
      Child::Launched{
          .kill = [this] { killed_.start(); }, .forget = [] {}, .is_delayed = [] { return false; }},
      Child::Events{.on_ready =
                        [this] {
                          state_ = State::kReady;
                          on_change_();
                        },
                    .on_exit = [this](const Exit& exit) { on_end(exit); }});
  process_->port().on<ipc::Exited>([this](const ipc::Exited& message) { on_exited(message); });
  return {};
}

void Launcher::reap() {
  int status = 0;
  if (!process_ || !process_->running() || ::waitpid(pid_, &status, WNOHANG) != pid_) return;
  killed_.cancel();
  if (WIFSIGNALED(status)) return process_->exited({Exit::How::kSignal, WTERMSIG(status)});
  process_->exited({Exit::How::kStatus, WEXITSTATUS(status)});
}

void Launcher::on_end(const Exit& exit) {
  end_ = exit.describe();
  end_now();
}

void Launcher::end_now() {
  if (std::exchange(state_, State::kEnded) == State::kEnded) return;
  patience_.stop();
  on_change_();
}

void Launcher::stop() {
  if (state_ != State::kReady) return;
  state_ = State::kStopping;
  process_->port().send(ipc::Stop{});
  patience_.start(limits::kStopLauncher);
}

// ---- the helpers ----

Result<std::unique_ptr<Child>> Launcher::start(Start start, Child::Events events) {
  auto sockets = make_socket_pairs();
  if (!sockets) return sockets.error();
  if (state_ != State::kReady) return Error("the launch process " + end_);
  const uint32_t number = next_number_++;
  ipc::Port& port = process_->port();
  port.send(ipc::PassFd{ChildFd::kChannel}, std::move(sockets->theirs.channel));
  port.send(ipc::PassFd{ChildFd::kErrors}, std::move(sockets->theirs.errors));
  if (start.sibling) port.send(ipc::PassFd{ChildFd::kSibling}, std::move(start.sibling));
  port.send(ipc::Launch{number, start.role, start.standard_streams});
  auto child =
      std::make_unique<Child>(loop_, logs_.of(Role::kMonitor), logs_.of(start.role), start.role,
                              std::move(sockets->ours), start.setup, launched(number), std::move(events));
  children_.emplace(number, child.get());
  return child;
}

Child::Launched Launcher::launched(uint32_t number) {
  return {.kill = [this, number] { kill(number); },
          .forget =
              [this, number] {
                children_.erase(number);
                kill(number);
              },
          .is_delayed = [this] { return process_->port().is_short(); }};
}

void Launcher::kill(uint32_t number) {
  if (process_->running()) process_->port().send(ipc::Kill{number});
}

void Launcher::on_exited(const ipc::Exited& message) {
  if (auto node = children_.extract(message.number)) node.mapped()->exited(exit_of(message));
}

}  // namespace localproxy::monitor
