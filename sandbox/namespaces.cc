#include "sandbox/namespaces.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

namespace localproxy::sandbox {
namespace {

constexpr int kAll = CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;

// A directory of the kernel's in which nobody can make anything, and which has nothing in it but the names of
// this process's own descriptors; it is empty when the process has ended. Everywhere, unlike /var/empty.
constexpr const char* kEmptyDirectory = "/proc/self/fdinfo";

}  // namespace

Result<std::string> enter_namespaces() {
  if (::unshare(kAll) != 0) return std::string(::strerrordesc_np(errno));
  // No ids are mapped: to the namespace this process is nobody.
  if (::chroot(kEmptyDirectory) != 0) return system_error("chroot", errno);
  if (::chdir("/") != 0) return system_error("chdir", errno);
  return std::string();
}

}  // namespace localproxy::sandbox
