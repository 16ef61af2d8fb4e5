// Runs a program with a given kind of standard error, forwards signals, and checks for survivors after its
// end.
//
//   keep KIND LOG STATUS COMMAND...
//
// KIND: see kKinds. If its output can be read, this process copies it to the file LOG. Standard output takes
// the same path where that works, and goes to LOG otherwise. The file STATUS appears at the end: "0", or
// "signal 31", and " left processes behind" when not all descendants ended with the program.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string_view>

#include "tool.h"

namespace localproxy::matrix {
namespace {

using Clock = std::chrono::steady_clock;

// How long descendants may outlive the program.
constexpr std::chrono::seconds kGrace(5);
constexpr int kTurnMilliseconds = 100;
// SIGQUIT is for this process: it kills the program and its descendants.
constexpr int kHandedOn[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT};

struct Output {
  UniqueFd error;           // for the program; empty: closed
  UniqueFd source;          // to copy from, if possible
  bool for_output = false;  // standard output goes there too
};

Output socket_pair(int type) {
  int ends[2];
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) != 0) return {};
  return {UniqueFd(ends[0]), UniqueFd(ends[1]), true};
}

Output pipe_pair() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {};
  return {UniqueFd(ends[1]), UniqueFd(ends[0]), true};
}

Output file(const char* path) {
  return {UniqueFd(::open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY)), UniqueFd(), false};
}

Output device(const char* path) {
  Output output = file(path);
  output.for_output = true;
  return output;
}

Output terminal() {
  UniqueFd ours(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  char name[64];
  if (!ours || ::grantpt(ours.get()) != 0 || ::unlockpt(ours.get()) != 0 ||
      ::ptsname_r(ours.get(), name, sizeof name) != 0)
    return {};
  Output output = file(name);
  output.source = std::move(ours);
  output.for_output = true;
  return output;
}

// Full and never read; the read end stays open in this process.
Output full_pipe() {
  Output output = pipe_pair();
  ::fcntl(output.error.get(), F_SETFL, O_NONBLOCK);
  while (::write(output.error.get(), "full\n", 5) > 0) {
  }
  ::fcntl(output.error.get(), F_SETFL, 0);
  static UniqueFd kept;
  kept = std::move(output.source);
  output.for_output = false;
  return output;
}

Output pipe_without_reader() {
  Output output = pipe_pair();
  output.source.reset();
  output.for_output = false;
  return output;
}

struct Kind {
  std::string_view name;
  Output (*make)(const char* log);
};

constexpr Kind kKinds[] = {
    {"file", [](const char* log) { return file(log); }},
    {"pipe", [](const char*) { return pipe_pair(); }},
    {"pty", [](const char*) { return terminal(); }},
    {"null", [](const char*) { return device("/dev/null"); }},
    {"full", [](const char*) { return device("/dev/full"); }},
    {"stream", [](const char*) { return socket_pair(SOCK_STREAM); }},
    {"datagram", [](const char*) { return socket_pair(SOCK_DGRAM); }},
    {"closed", [](const char*) { return Output(); }},
    {"full-pipe", [](const char*) { return full_pipe(); }},
    {"gone", [](const char*) { return pipe_without_reader(); }},
};

sigset_t handled() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGCHLD);
  for (const int number : kHandedOn)
    ::sigaddset(&set, number);
  return set;
}

[[noreturn]] void become(char* const* command, const Output& output, int log) {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::setpgid(0, 0);
  ::dup2(output.for_output ? output.error.get() : log, STDOUT_FILENO);
  if (output.error) {
    ::dup2(output.error.get(), STDERR_FILENO);
  } else {
    ::close(STDERR_FILENO);
  }
  ::execvp(command[0], command);
  ::_exit(127);
}

// False: there is nothing more to copy.
bool copy(int from, int to) {
  char buffer[65'536];
  const ssize_t size = ::read(from, buffer, sizeof buffer);
  return size > 0 && ::write(to, buffer, static_cast<size_t>(size)) == size;
}

bool readable(int fd, int milliseconds) {
  pollfd wanted{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&wanted, 1, milliseconds) > 0 && (wanted.revents & POLLIN) != 0;
}

// One program and its descendants; this process becomes the parent of orphaned ones.
class Kept {
 public:
  Kept(pid_t pid, int signals, const Output& output, int log)
      : pid_(pid), signals_(signals), source_(output.source.get()), log_(log) {}

  // Waits until all have ended, or the program has and the time for the others is over.
  void run() {
    Clock::time_point deadline = Clock::time_point::max();
    while (reap() && Clock::now() < deadline) {
      turn();
      if (ended_ && deadline == Clock::time_point::max()) deadline = Clock::now() + kGrace;
    }
    while (source_ >= 0 && readable(source_, 0) && copy(source_, log_)) {
    }
  }

  int status() const { return status_; }
  bool left() const { return left_; }

 private:
  // Whether any process is left.
  bool reap() {
    int status = 0;
    pid_t pid = 0;
    while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0) {
      if (pid != pid_) continue;
      ended_ = true;
      status_ = status;
    }
    left_ = pid == 0;
    return left_;
  }

  void turn() {
    pollfd wanted[] = {{.fd = signals_, .events = POLLIN, .revents = 0},
                       {.fd = source_, .events = POLLIN, .revents = 0}};
    ::poll(wanted, 2, kTurnMilliseconds);
    if (wanted[0].revents & POLLIN) hand_on();
    if (wanted[1].revents != 0 && !copy(source_, log_)) source_ = -1;
  }

  void hand_on() {
    signalfd_siginfo info{};
    if (::read(signals_, &info, sizeof info) != sizeof info || info.ssi_signo == SIGCHLD || ended_) return;
    if (info.ssi_signo == SIGQUIT) {
      ::kill(-pid_, SIGKILL);
    } else {
      ::kill(pid_, static_cast<int>(info.ssi_signo));
    }
  }

  pid_t pid_;
  int signals_;
  int source_;
  int log_;
  bool ended_ = false;
  bool left_ = true;
  int status_ = 0;
};

// Renamed into place, so that it is complete when it appears.
void write_status(const std::string& path, const Kept& kept) {
  const int status = kept.status();
  std::string text =
      WIFEXITED(status) ? std::to_string(WEXITSTATUS(status)) : "signal " + std::to_string(WTERMSIG(status));
  if (kept.left()) text += " left processes behind";
  const std::string unfinished = path + ".new";
  FILE* const file = ::fopen(unfinished.c_str(), "we");
  if (file == nullptr) return;
  fprintf(file, "%s\n", text.c_str());
  fclose(file);
  ::rename(unfinished.c_str(), path.c_str());
}

}  // namespace

int keep(std::span<char* const> arguments) {
  const std::string_view kind = arguments[0];
  const char* const log_path = arguments[1];
  UniqueFd log(::open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!log) return fail(system_error(log_path, errno).text());
  const sigset_t set = handled();
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  const UniqueFd signals(::signalfd(-1, &set, SFD_CLOEXEC));
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  for (const auto& [name, make] : kKinds) {
    if (name != kind) continue;
    Output output = make(log_path);
    if (!output.error && kind != "closed") return fail(system_error("standard error", errno).text());
    const pid_t pid = ::fork();
    if (pid == 0) become(&arguments[3], output, log.get());
    output.error.reset();
    Kept kept(pid, signals.get(), output, log.get());
    kept.run();
    if (kept.left()) ::kill(-pid, SIGKILL);
    write_status(arguments[2], kept);
    return WIFEXITED(kept.status()) ? WEXITSTATUS(kept.status()) : 128 + WTERMSIG(kept.status());
  }
  return fail("no such kind of standard error: " + std::string(kind));
}

}  // namespace localproxy::matrix
