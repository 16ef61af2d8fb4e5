#include "sandbox/enter.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <optional>

#include "build_config.h"
#include "sandbox/filter.h"
#include "sandbox/ids.h"
#include "sandbox/verify.h"

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
  const auto verification = Verification::begin();
  if (!verification) return verification.error();
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
  const Expected expected{.policy = request.policy,
                          .uid = status.uid,
                          .gid = status.gid,
                          .parent = request.parent,
                          .namespaces = status.namespaces,
                          .mdwe = status.mdwe};
  if (auto r = verification->check(expected); !r) return r.error();

  if (request.landlock) {
    const LandlockProbe probe(request.landlock_rules);
    auto abi = enter_landlock(request.landlock_rules);
    if (!abi) return abi.error();
    if (auto r = probe.check(); !r) return r.error();
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
