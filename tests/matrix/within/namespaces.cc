#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "within.h"

namespace localproxy::matrix {
namespace {

bool write_file(const std::string& path, const std::string& text) {
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

// The child maps all ids for its parent, which has no right to do that once it is in the new namespace.
[[noreturn]] void write_maps(pid_t target, int go) {
  char byte = 0;
  const bool told = ::read(go, &byte, 1) == 1;
  const std::string process = "/proc/" + std::to_string(target);
  const bool written = told && write_file(process + "/uid_map", "0 0 4294967295") &&
                       write_file(process + "/gid_map", "0 0 4294967295");
  ::_exit(written ? 0 : 1);
}

pid_t init_process = 0;

void hand_on(int number) {
  ::kill(init_process, number);
}

[[noreturn]] void wait_for_init() {
  struct sigaction action {};
  action.sa_handler = hand_on;
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2})
    ::sigaction(number, &action, nullptr);
  int status = 0;
  while (::waitpid(init_process, &status, 0) < 0 && errno == EINTR) {
  }
  ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

}  // namespace

Result<> forbid_user_namespaces() {
  int go[2];
  if (::pipe2(go, O_CLOEXEC) != 0) return system_error("pipe2", errno);
  const pid_t parent = ::getpid();
  const pid_t writer = ::fork();
  if (writer == 0) write_maps(parent, go[0]);
  if (::unshare(CLONE_NEWUSER) != 0) return system_error("unshare", errno);
  int status = 0;
  if (::write(go[1], "x", 1) != 1 || ::waitpid(writer, &status, 0) != writer || status != 0)
    return Error("the maps of ids could not be written");
  ::close(go[0]);
  ::close(go[1]);
  if (!write_file("/proc/sys/user/max_user_namespaces", "0"))
    return system_error("max_user_namespaces", errno);
  return {};
}

Result<> cover(const std::string& path) {
  if (::unshare(CLONE_NEWNS) != 0) return system_error("unshare", errno);
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return system_error("mount /", errno);
  if (::mount("none", path.c_str(), "tmpfs", MS_RDONLY, nullptr) != 0)
    return system_error("mount " + path, errno);
  return {};
}

Result<> become_init() {
  if (::unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS) != 0)
    return system_error("unshare", errno);
  init_process = ::fork();
  if (init_process < 0) return system_error("fork", errno);
  if (init_process > 0) wait_for_init();
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    return system_error("mount /", errno);
  if (::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0)
    return system_error("mount /proc", errno);
  return {};
}

}  // namespace localproxy::matrix
