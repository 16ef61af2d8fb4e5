#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstddef>

#include "base/exhaustion.h"
#include "base/exit_status.h"
#include "base/log.h"

namespace localproxy {
namespace {

constexpr size_t kMaxFds = 16;
// Above all numbers that are asked for.
constexpr int kFirstFree = kMaxFds;

// In the child, between fork and exec: only calls that are safe there.
[[noreturn]] void exec(int program, const char* name, std::span<const int> fds, pid_t parent) {
  const int status = static_cast<int>(ExitStatus::kSystem);
  // Out of the way of the fixed numbers first.
  std::array<int, kMaxFds> moved{};
  program = ::fcntl(program, F_DUPFD_CLOEXEC, kFirstFree);
  for (size_t i = 0; i < fds.size(); ++i)
    moved[i] = ::fcntl(fds[i], F_DUPFD_CLOEXEC, kFirstFree);
  for (size_t i = 0; i < fds.size(); ++i) {
    // 0: without close-on-exec. An fcntl() that failed above fails here.
    if (::dup3(moved[i], static_cast<int>(i), 0) < 0) ::_exit(status);
  }
  if (::close_range(static_cast<unsigned>(fds.size()), ~0U, CLOSE_RANGE_CLOEXEC) != 0) ::_exit(status);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE})
    ::signal(number, SIG_IGN);
  ::signal(SIGCHLD, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  // It lasts over exec; a child that changes its ids or its capabilities sets it again.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || ::getppid() != parent) ::_exit(status);
  char* const argv[] = {const_cast<char*>(name), nullptr};
  char* const environment[] = {nullptr};
  ::syscall(SYS_execveat, program, "", argv, environment, AT_EMPTY_PATH);
  const char text[] = "cannot be executed\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text, sizeof text - 1);
  ::_exit(status);
}

}  // namespace

Result<pid_t> spawn(int program, const char* name, std::span<const int> fds) {
  check(fds.size() <= kMaxFds, "too many descriptors for a child");
  const pid_t parent = ::getpid();
  // A signal that arrives in the child before exec must not run the handlers of this process.
  sigset_t all, before;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::fork();
  if (pid == 0) exec(program, name, fds, parent);
  const int error = errno;
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return cannot_fork(std::string("cannot start ") + name, error);
  return pid;
}

}  // namespace localproxy
