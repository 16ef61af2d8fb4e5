#include "monitor/standard_streams.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

namespace localproxy::monitor {
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

}  // namespace localproxy::monitor
