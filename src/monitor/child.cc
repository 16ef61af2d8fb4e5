#include "monitor/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/exit_status.h"
#include "base/limits.h"

namespace localproxy::monitor {

using ipc::Port;
using ipc::Role;

namespace {

// Bytes of a child's standard error that are kept until the line is complete.
constexpr size_t kMaxStderr = 8'192;
// What a helper finds open: 0 to 2, then its channels (main/child.h).
constexpr int kChannelFd = 3;
constexpr int kSiblingFd = 4;
constexpr int kFirstFree = 10;
// A child that has closed its channel has nothing left to do.
constexpr std::chrono::milliseconds kExitTime{1'000};

// What becomes 0 to 4 of a helper.
struct HelperFds {
  int input;
  int output;
  int errors;
  int channel;
  int sibling;  // -1: none
};

// In the child, between fork and exec: only calls that are safe there.
[[noreturn]] void exec_helper(int program, const char* name, HelperFds fds, pid_t monitor) {
  // Out of the way of the fixed numbers first.
  program = ::fcntl(program, F_DUPFD_CLOEXEC, kFirstFree);
  for (int* fd : {&fds.input, &fds.output, &fds.errors, &fds.channel})
    *fd = ::fcntl(*fd, F_DUPFD_CLOEXEC, kFirstFree);
  if (fds.sibling >= 0) fds.sibling = ::fcntl(fds.sibling, F_DUPFD_CLOEXEC, kFirstFree);
  const int status = static_cast<int>(ExitStatus::kSystem);
  if (program < 0 || ::dup2(fds.input, 0) < 0 || ::dup2(fds.output, 1) < 0 || ::dup2(fds.errors, 2) < 0 ||
      ::dup2(fds.channel, kChannelFd) < 0 || (fds.sibling >= 0 && ::dup2(fds.sibling, kSiblingFd) < 0)) {
    ::_exit(status);
  }
  const unsigned first_closed = fds.sibling >= 0 ? kSiblingFd + 1 : kSiblingFd;
  if (::close_range(first_closed, ~0U, CLOSE_RANGE_CLOEXEC) != 0) ::_exit(status);
  // Signals of a terminal or of systemd go to all processes; the monitor tells the children what to do about
  // them.
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE})
    ::signal(number, SIG_IGN);
  ::signal(SIGCHLD, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  // It lasts over exec; the child sets it again after it has changed what would clear it.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || ::getppid() != monitor) ::_exit(status);
  char* const argv[] = {const_cast<char*>(name), nullptr};
  char* const environment[] = {nullptr};
  ::syscall(SYS_execveat, program, "", argv, environment, AT_EMPTY_PATH);
  const char text[] = "cannot be executed\n";
  [[maybe_unused]] const ssize_t written = ::write(2, text, sizeof text - 1);
  ::_exit(status);
}

}  // namespace

std::string Exit::describe() const {
  if (!by_signal) return "ended with status " + std::to_string(number);
  const char* name = ::sigabbrev_np(number);
  std::string text =
      "was killed by SIG" + std::string(name != nullptr ? name : std::to_string(number).c_str());
  if (number == SIGSYS) text += " (sandbox violation: it made a system call that its policy forbids)";
  return text;
}

Child::Child(event::Loop& loop, StderrLog& log, Role role, Events events)
    : loop_(loop), log_(log), role_(role), events_(std::move(events)), deadline_(loop, [this] {
        log_.error("the " + std::string(to_string(role_)) + " process does not answer and is killed");
        kill();
      }) {}

Result<std::unique_ptr<Child>> Child::start(event::Loop& loop, StderrLog& log, const Helpers& helpers,
                                            Start start, Events events) {
  auto channel = make_socketpair(SOCK_SEQPACKET);
  if (!channel) return channel.error();
  std::unique_ptr<Child> child(new Child(loop, log, start.role, std::move(events)));
  if (auto spawned = child->spawn(helpers, start, std::move(channel->second)); !spawned) {
    return spawned.error();
  }
  child->port_ = std::make_unique<Port>(loop, std::move(channel->first), Role::kMonitor, start.role,
                                        [raw = child.get()](Port::End end, const std::string& what) {
                                          if (end == Port::End::kClosed) return raw->end_within(kExitTime);
                                          raw->log_.error(what);
                                          raw->kill();
                                        });
  Child* raw = child.get();
  raw->port_->on<ipc::LogLine>([raw](const ipc::LogLine& line) {
    const auto level = static_cast<LogLevel>(std::clamp<uint8_t>(line.level, 1, 6));
    raw->log_.write_for(to_string(raw->role_), level, line.text.value);
  });
  raw->port_->on<ipc::Ready>([raw](const ipc::Ready& ready) {
    raw->deadline_.stop();
    raw->ready_ = true;
    raw->port_->set_state(ipc::State::kReady);
    raw->log_.write_for(to_string(raw->role_), LogLevel::kInfo, ready.report.value);
    raw->events_.on_ready();
  });
  raw->port_->send(start.setup);
  raw->deadline_.start(limits::kChildStart);
  return child;
}

Result<> Child::spawn(const Helpers& helpers, const Start& start, UniqueFd channel) {
  auto errors = make_pipe();
  if (!errors) return errors.error();
  const std::string name = program_name(role_);
  const pid_t monitor = ::getpid();
  const int null = helpers.null.get();
  const HelperFds fds{start.standard_streams ? STDIN_FILENO : null,
                      start.standard_streams ? STDOUT_FILENO : null, errors->second.get(), channel.get(),
                      start.sibling.get()};
  // A signal that arrives in the child before exec must not run the handlers of this process.
  sigset_t all, before;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::fork();
  if (pid == 0) {
    exec_helper(helpers.fd(role_), name.c_str(), fds, monitor);
  }
  const int error = errno;
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return system_error("cannot start " + name, error);
  pid_ = pid;
  stderr_ = std::move(errors->first);
  stderr_watcher_ = std::make_unique<event::Watcher>(
      loop_, stderr_.get(), [this] { on_stderr(); }, [] {});
  stderr_watcher_->want_read(true);
  return {};
}

Child::~Child() {
  if (!running()) return;
  kill();
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void Child::kill() {
  if (running()) ::kill(pid_, SIGKILL);
}

void Child::reap() {
  if (!running()) return;
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) != pid_) return;
  pid_ = -1;
  deadline_.stop();
  // Its last words.
  port_->drain();
  on_stderr();
  log_stderr(true);
  const Exit exit = WIFSIGNALED(status) ? Exit{true, WTERMSIG(status)} : Exit{false, WEXITSTATUS(status)};
  loop_.later([this, exit] { events_.on_exit(exit); });
}

void Child::on_stderr() {
  char buffer[2'048];
  ssize_t size = 0;
  while ((size = ::read(stderr_.get(), buffer, sizeof buffer)) > 0) {
    const size_t room = kMaxStderr - std::min(kMaxStderr, stderr_text_.size());
    stderr_text_.append(buffer, std::min(room, static_cast<size_t>(size)));
    log_stderr(false);
  }
  if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) stderr_watcher_->want_read(false);
}

void Child::log_stderr(bool all) {
  size_t end = 0;
  while ((end = stderr_text_.find('\n')) != std::string::npos || (all && !stderr_text_.empty())) {
    end = std::min(end, stderr_text_.size());
    log_.write_for(to_string(role_), LogLevel::kError, stderr_text_.substr(0, end));
    stderr_text_.erase(0, end + 1);
  }
}

}  // namespace localproxy::monitor
