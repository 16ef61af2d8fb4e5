#include "sandbox/namespaces.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/exhaustion.h"
#include "base/fd.h"
#include "sandbox/ids.h"

namespace localproxy::sandbox {
namespace {

constexpr int kAll = CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;

// A directory of the kernel in which nobody can create anything. It holds only the names of this process's
// own descriptors, and is empty once the process has ended. Unlike /var/empty, every system has it.
constexpr const char* kEmptyDirectory = "/proc/self/fdinfo";

// Two seconds: the monitor waits five times as long for a process to be ready (limits::kChildStart).
constexpr int kForkTries = 40;
constexpr int kForkWaitMs = 50;

// All or nothing.
Result<> unshare_all() {
  if (::unshare(kAll) != 0) return system_error("unshare", errno);
  return {};
}

// Runs in the new namespaces, with the capabilities over them. No ids are mapped: in the namespace this
// process is nobody.
Result<> settle() {
  if (::chroot(kEmptyDirectory) != 0) return system_error("chroot", errno);
  if (::chdir("/") != 0) return system_error("chdir", errno);
  if (const int error = empty_bounding_set(); error != 0)
    return system_error("capability bounding set", error);
  return drop_capabilities();
}

[[noreturn]] void try_in_child(int answer) {
  Result<> done = unshare_all();
  if (done) done = settle();
  const std::string text = done ? std::string() : done.error().text();
  // Written even if the text is empty: no answer means that this process was killed.
  const std::string line = text + '\n';
  [[maybe_unused]] const ssize_t written = ::write(answer, line.data(), line.size());
  ::_exit(0);
}

// Forks the child that tries it. A temporary shortage must not cost the namespaces.
pid_t fork_patiently() {
  for (int tries = 1;; ++tries) {
    const pid_t child = ::fork();
    if (child >= 0 || (errno != EAGAIN && errno != ENOMEM) || tries == kForkTries) return child;
    // The filter of launch allows its children only this call to wait with.
    ::poll(nullptr, 0, kForkWaitMs);
  }
}

// Lets a child try all steps. Says which one was refused and why; empty: none. Some systems grant a user
// namespace without the capabilities over it (AppArmor in Ubuntu 23.10 and later): the first step is done
// there, cannot be undone, and the next one fails.
std::string refusal() {
  auto pipe = make_pipe();
  if (!pipe) return pipe.error().text();
  const pid_t child = fork_patiently();
  if (child < 0) return cannot_fork("fork", errno).text();
  if (child == 0) try_in_child(pipe->second.get());
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  char answer[128];
  const ssize_t size = ::read(pipe->first.get(), answer, sizeof answer);
  if (size <= 0) return "the attempt was killed";
  return std::string(answer, static_cast<size_t>(size) - 1);
}

}  // namespace

Result<std::string> enter_namespaces() {
  if (std::string refused = refusal(); !refused.empty()) return refused;
  // The child may have taken the last one that a limit allows.
  if (auto done = unshare_all(); !done) return done.error().text();
  if (auto done = settle(); !done) return done.error();
  return std::string();
}

}  // namespace localproxy::sandbox
