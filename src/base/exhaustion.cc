#include "base/exhaustion.h"

#include <errno.h>

namespace localproxy {

bool is_exhaustion(int error) {
  switch (error) {
    case EMFILE:        // descriptors of this process
    case ENFILE:        // open files of the system
    case ETOOMANYREFS:  // descriptors in flight, of all processes of the user together (unix(7))
    case ENOBUFS:       // memory for networking
    case ENOMEM:
      return true;
    default:
      return false;
  }
}

std::string_view remedy(int error) {
  switch (error) {
    case EMFILE:
      return " (raise the limit of descriptors: ulimit -n, LimitNOFILE= of systemd)";
    case ENFILE:
      return " (the system has no room for more open files: fs.file-max)";
    case ETOOMANYREFS:
      return " (processes of this user hold too many descriptors that nobody has received: end the one that "
             "hangs, or raise ulimit -n, LimitNOFILE= of systemd)";
    case ENOBUFS:
    case ENOMEM:
      return " (the system is short of memory)";
    default:
      return {};
  }
}

Error cannot_fork(const std::string& what, int error_number) {
  Error error = system_error(what, error_number);
  if (error_number != EAGAIN) return error;
  return error.reworded(
      error.text() +
      " (too many processes: raise ulimit -u, TasksMax= of systemd, the container's limit of pids or "
      "kernel.pid_max)");
}

}  // namespace localproxy
