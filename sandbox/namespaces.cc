#include "sandbox/namespaces.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "base/exhaustion.h"
#include "base/fd.h"
#include "sandbox/ids.h"

namespace localproxy::sandbox {
namespace {

constexpr int kAll = CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;

// A directory of the kernel in which nobody can create anything. It holds only the names of this process's
// own descriptors, and is empty once the process has ended. Unlike /var/empty, every system has it.
constexpr const char* kEmptyDirectory = "/proc/self/fdinfo";
// The same, and always empty: before Linux 5.14 a process that is not dumpable may not enter the first one.
constexpr const char* kEmptyDirectoryOfOld = "/proc/tty/ldisc";

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
  if (::chroot(kEmptyDirectory) != 0 && (errno != EACCES || ::chroot(kEmptyDirectoryOfOld) != 0))
    return system_error("chroot", errno);
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

}  // namespace

// Some systems grant a user namespace without the capabilities over it (AppArmor in Ubuntu 23.10 and later):
// the first step is done there, cannot be undone, and the next one fails. So a child tries all of them.
NamespaceTrial::NamespaceTrial() {
  auto pipe = make_pipe();
  if (!pipe) {
    not_begun_ = pipe.error().text();
    return;
  }
  child_ = fork_patiently();
  if (child_ == 0) try_in_child(pipe->second.get());
  if (child_ < 0) not_begun_ = cannot_fork("fork", errno).text();
  answer_ = std::move(pipe->first);
}

NamespaceTrial::~NamespaceTrial() {
  wait();
}

void NamespaceTrial::wait() {
  while (child_ > 0 && ::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
  }
  child_ = -1;
}

std::string NamespaceTrial::refusal() {
  if (!not_begun_.empty()) return not_begun_;
  wait();
  char answer[128];
  const ssize_t size = ::read(answer_.get(), answer, sizeof answer);
  answer_.reset();
  if (size <= 0) return "the attempt was killed";
  return std::string(answer, static_cast<size_t>(size) - 1);
}

Result<std::string> enter_namespaces(NamespaceTrial& trial) {
  if (std::string refused = trial.refusal(); !refused.empty()) return refused;
  // The child may have taken the last one that a limit allows.
  if (auto done = unshare_all(); !done) return done.error().text();
  if (auto done = settle(); !done) return done.error();
  return std::string();
}

}  // namespace localproxy::sandbox
