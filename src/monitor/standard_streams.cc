#include "monitor/standard_streams.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <string>

#include "base/limits.h"

namespace localproxy::monitor {

// ---- standard input and output ----

namespace {

bool can_be_waited_for(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return false;
  return S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode) || ::isatty(fd) == 1;
}

}  // namespace

Result<> StandardStreams::prepare() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO}) {
    const std::string name = fd == STDIN_FILENO ? "standard input" : "standard output";
    if (!can_be_waited_for(fd)) {
      return Error(name +
                   " must be a pipe, a socket or a terminal to be used as a local client (-s ...=-); for a "
                   "file put cat between");
    }
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return system_error(name, errno);
    flags_[static_cast<size_t>(fd)] = flags;
  }
  return {};
}

StandardStreams::~StandardStreams() {
  for (const int fd : {STDOUT_FILENO, STDIN_FILENO}) {
    if (flags_[static_cast<size_t>(fd)] >= 0) ::fcntl(fd, F_SETFL, flags_[static_cast<size_t>(fd)]);
  }
}

// ---- standard error ----

namespace {

bool open_again() {
  const int flags = ::fcntl(STDERR_FILENO, F_GETFL);
  if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY) return false;
  // This fails for a pipe that nobody reads, and for one of another user.
  const UniqueFd own(::open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  return own && ::dup2(own.get(), STDERR_FILENO) == STDERR_FILENO;
}

// Sets a timer whose signal interrupts a write. It repeats, since a signal may arrive just before the write.
void interrupt_writes() {
  struct sigaction action {};
  action.sa_handler = [](int) {};  // without SA_RESTART
  ::sigaction(SIGALRM, &action, nullptr);
  timeval interval{};
  interval.tv_sec = static_cast<time_t>(limits::kLogWrite.count());
  const itimerval timer{interval, interval};
  ::setitimer(ITIMER_REAL, &timer, nullptr);
}

}  // namespace

StandardError::StandardError() : kind_(prepare()) {
  if (kind_ == Kind::kFile) return;
  UniqueFd ready(::epoll_create1(EPOLL_CLOEXEC));
  epoll_event room{};
  room.events = EPOLLOUT;
  if (ready && ::epoll_ctl(ready.get(), EPOLL_CTL_ADD, STDERR_FILENO, &room) == 0) ready_ = std::move(ready);
}

StandardError::Kind StandardError::prepare() {
  struct stat status {};
  if (::fstat(STDERR_FILENO, &status) != 0) return Kind::kFile;
  if (S_ISSOCK(status.st_mode)) return Kind::kSocket;
  if (!S_ISFIFO(status.st_mode) && ::isatty(STDERR_FILENO) != 1) return Kind::kFile;
  if (open_again()) return Kind::kOwn;
  interrupt_writes();
  return Kind::kShared;
}

ssize_t StandardError::write(std::string_view line) const {
  if (kind_ == Kind::kSocket) {
    iovec part{const_cast<char*>(line.data()), line.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    return ::sendmsg(STDERR_FILENO, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  if (kind_ == Kind::kShared && ready_ && !wait_for_room({})) {
    errno = EAGAIN;
    return -1;
  }
  const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
  if (written > 0) return written;
  if (written == 0 || errno == EINTR) errno = EAGAIN;
  return -1;
}

bool StandardError::wait_for_room(std::chrono::milliseconds most) const {
  epoll_event event{};
  return ready_ && ::epoll_wait(ready_.get(), &event, 1, static_cast<int>(most.count())) == 1;
}

}  // namespace localproxy::monitor
