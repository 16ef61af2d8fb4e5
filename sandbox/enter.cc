#include "sandbox/enter.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <optional>
#include <string_view>

#include "base/fd.h"
#include "build_config.h"
#include "sandbox/filter.h"
#include "sandbox/ids.h"

namespace localproxy::sandbox {
namespace {

// From <linux/prctl.h> of Linux 6.3; older headers do not have them.
constexpr int kPrSetMdwe = 65;
constexpr unsigned long kMdweRefuseExecGain = 1;

Result<> tie_to_parent(pid_t parent) {
  if (parent == 0) return {};
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return system_error("PR_SET_PDEATHSIG", errno);
  // If the parent died before the call above, no signal will arrive.
  if (::getppid() != parent) return Error("the monitor is gone");
  return {};
}

// Memory that was ever writable never becomes executable, where the kernel knows it (6.3) and no filter of a
// container is in the way; it is a second line of defence behind our own filter. Whether it is in force.
bool seal_memory() {
  return ::prctl(kPrSetMdwe, kMdweRefuseExecGain, 0, 0, 0) == 0;
}

Result<> limit(__rlimit_resource resource, const char* name) {
  const rlimit zero{0, 0};
  if (::setrlimit(resource, &zero) != 0) return system_error(name, errno);
  return {};
}

Result<> limit_resources(const Policy& policy) {
  // LeakSanitizer starts another process at exit, to inspect this one.
  if (!policy.may_fork && !LOCALPROXY_SANITIZER_BUILD) {
    if (auto r = limit(RLIMIT_NPROC, "RLIMIT_NPROC"); !r) return r;
  }
  if (!policy.may_write_files) {
    if (auto r = limit(RLIMIT_FSIZE, "RLIMIT_FSIZE"); !r) return r;
  }
  return {};
}

// The value of a line of /proc/self/status.
std::string_view value_of(std::string_view status, std::string_view name) {
  const std::string key = "\n" + std::string(name) + ":\t";
  const size_t at = status.find(key);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = status.substr(at + key.size());
  return rest.substr(0, rest.find('\n'));
}

// Checks what the kernel reports, before the filter takes away the right to ask.
Result<> verify(int status_file) {
  std::string status(8'192, '\0');
  const ssize_t size = ::pread(status_file, status.data(), status.size(), 0);
  if (size <= 0) return system_error("/proc/self/status", errno);
  status.resize(static_cast<size_t>(size));
  static constexpr std::string_view kNone = "0000000000000000";
  static constexpr struct {
    std::string_view name;
    std::string_view expected;
  } kExpected[] = {{"Threads", "1"},  {"NoNewPrivs", "1"}, {"CapInh", kNone},
                   {"CapPrm", kNone}, {"CapEff", kNone},   {"CapAmb", kNone}};
  for (const auto& [name, expected] : kExpected) {
    if (value_of(status, name) != expected) {
      return Error("/proc/self/status says " + std::string(name) + " " + std::string(value_of(status, name)) +
                   " instead of " + std::string(expected));
    }
  }
  return {};
}

Result<> probe_seccomp() {
  // 2: SECCOMP_MODE_FILTER.
  if (::prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 2) return Error("the system call filter is not in force");
  return {};
}

}  // namespace

Result<> forbid_inspection() {
  if (auto r = not_dumpable(); !r) return r;
  return limit(RLIMIT_CORE, "RLIMIT_CORE");
}

Result<SandboxStatus> enter(const Request& request) {
  if (::getuid() == 0 || ::geteuid() == 0 || ::getgid() == 0) return Error("this process is still root");
  SandboxStatus status{.uid = ::getuid(), .gid = ::getgid()};
  // Switching the ids has cleared the death signal, and entering namespaces clears it again. It is set in
  // between, too, so that a process that hangs there does not outlive its parent.
  if (auto r = tie_to_parent(request.parent); !r) return r.error();
  // Opened while /proc can still be reached; the kernel generates the contents when they are read.
  const UniqueFd status_file(::open("/proc/self/status", O_RDONLY | O_CLOEXEC));
  if (!status_file) return system_error("/proc/self/status (is /proc mounted?)", errno);
  if (request.policy->namespaces) {
    std::optional<NamespaceTrial> now;
    auto refused = enter_namespaces(request.trial != nullptr ? *request.trial : now.emplace());
    if (!refused) return Error("namespaces of its own: " + refused.error().text());
    status.namespaces = refused->empty();
    status.not_granted = *refused;
  }
  if (auto r = drop_capabilities(); !r) return r.error();
  if (auto r = tie_to_parent(request.parent); !r) return r.error();
  if (auto r = forbid_inspection(); !r) return r.error();
  status.mdwe = seal_memory();
  if (auto r = limit_resources(*request.policy); !r) return r.error();
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return system_error("PR_SET_NO_NEW_PRIVS", errno);
  if (auto r = verify(status_file.get()); !r) return r.error();

  if (request.landlock) {
    auto abi = enter_landlock(request.landlock_rules);
    if (!abi) return abi.error();
    status.landlock_abi = *abi;
  }
  if constexpr (LOCALPROXY_SANITIZER_BUILD) return status;
  auto filter = compile_filter(*request.policy, request.needs);
  if (!filter) return filter.error();
  if (auto r = enter_filter(*filter); !r) return r.error();
  if (auto r = probe_seccomp(); !r) return r.error();
  status.system_calls = true;
  // What it took to read the configuration, to find paths and to compile the filter is not needed again.
  ::malloc_trim(0);
  return status;
}

}  // namespace localproxy::sandbox
