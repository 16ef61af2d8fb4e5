#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstddef>

#include "base/exhaustion.h"
#include "base/exit_status.h"
#include "base/fd.h"
#include "base/log.h"

namespace localproxy {
namespace {

constexpr size_t kMaxFds = 16;
// Above all numbers that a caller asks for.
constexpr int kFirstFree = kMaxFds;

// Between fork and exec: writes to the child's standard error what failed, in one message, and exits.
[[noreturn]] void give_up(int errors, const char* name, const char* what) {
  const char* const why = ::strerrordesc_np(errno);  // error_text() would allocate
  const char* const parts[] = {name, " cannot be started: ", what, ": ", why != nullptr ? why : "?", "\n"};
  char line[256];
  size_t size = 0;
  for (const char* part : parts) {
    for (; *part != '\0' && size < sizeof line; ++part)
      line[size++] = *part;
  }
  [[maybe_unused]] const ssize_t written = ::write(errors, line, size);
  ::_exit(static_cast<int>(ExitStatus::kSystem));
}

// The copy is not close-on-exec. The filters of some containers do not know dup3().
bool put(int fd, int number) {
  return ::dup3(fd, number, 0) >= 0 || ::dup2(fd, number) >= 0;
}

// In the child, between fork and exec: only calls that are safe there.
[[noreturn]] void exec(int program, const char* name, std::span<const int> fds, pid_t parent) {
  // First, out of the way of the fixed numbers.
  std::array<int, kMaxFds> moved{};
  int errors = fds.size() > STDERR_FILENO ? fds[STDERR_FILENO] : STDERR_FILENO;
  program = ::fcntl(program, F_DUPFD_CLOEXEC, kFirstFree);
  if (program < 0) give_up(errors, name, "descriptors");
  for (size_t i = 0; i < fds.size(); ++i) {
    moved[i] = ::fcntl(fds[i], F_DUPFD_CLOEXEC, kFirstFree);
    if (moved[i] < 0) give_up(errors, name, "descriptors");
  }
  if (fds.size() > STDERR_FILENO) errors = moved[STDERR_FILENO];
  for (size_t i = 0; i < fds.size(); ++i) {
    if (!put(moved[i], static_cast<int>(i))) give_up(errors, name, "dup3");
  }
  errors = STDERR_FILENO;
  const auto count = static_cast<unsigned>(fds.size());
  if (::close_range(count, ~0U, CLOSE_RANGE_CLOEXEC) != 0) {
    const int error = errno;
    if (!close_each(static_cast<int>(count), program)) {
      errno = error;
      give_up(errors, name, "close_range, without /proc");
    }
  }
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE})
    ::signal(number, SIG_IGN);
  ::signal(SIGCHLD, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  // This survives exec; a child that changes its ids or its capabilities sets it again.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) give_up(errors, name, "PR_SET_PDEATHSIG");
  if (::getppid() != parent) ::_exit(static_cast<int>(ExitStatus::kSystem));  // nobody is left to tell
  char* const argv[] = {const_cast<char*>(name), nullptr};
  char* const environment[] = {nullptr};
  ::syscall(SYS_execveat, program, "", argv, environment, AT_EMPTY_PATH);
  give_up(errors, name, "execveat");
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
