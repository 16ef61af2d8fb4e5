// Filters that refuse calls. Loaded as root, without no-new-privs, as a container manager does.
#include <errno.h>
#include <seccomp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <string_view>

#include "base/text.h"
#include "within.h"

namespace localproxy::matrix {
namespace {

struct Named {
  std::string_view name;
  int number;
};

constexpr Named kErrors[] = {
    {"EPERM", EPERM}, {"ENOSYS", ENOSYS}, {"EOPNOTSUPP", EOPNOTSUPP}, {"EACCES", EACCES}, {"ENOSPC", ENOSPC},
};

// The calls that Docker's profile refuses to a container with Docker's own capabilities. The profile lists
// what is allowed: every call up to kNewest but these.
constexpr const char* kNotInDocker[] = {
    // of kernel and machine
    "acct", "bpf", "clock_settime", "create_module", "delete_module", "finit_module", "get_kernel_syms",
    "init_module", "io_uring_enter", "io_uring_register", "io_uring_setup", "ioperm", "iopl",
    "kexec_file_load", "kexec_load", "lookup_dcookie", "nfsservctl", "perf_event_open", "query_module",
    "quotactl", "quotactl_fd", "reboot", "settimeofday", "swapoff", "swapon", "sysfs", "syslog", "_sysctl",
    "uselib", "ustat", "vhangup",
    // of mounts and namespaces
    "fsconfig", "fsmount", "fsopen", "fspick", "mount", "mount_setattr", "move_mount", "open_tree",
    "pivot_root", "setdomainname", "sethostname", "setns", "umount2", "unshare",
    // of keys, other processes and memory
    "add_key", "fanotify_init", "get_mempolicy", "kcmp", "keyctl", "mbind", "migrate_pages", "move_pages",
    "open_by_handle_at", "personality", "pidfd_getfd", "process_madvise", "request_key", "set_mempolicy",
    "set_mempolicy_home_node", "userfaultfd"};

// The flags of clone() for namespaces.
constexpr uint64_t kNamespaceFlags = 0x7e020000;
// set_mempolicy_home_node, of Linux 5.17. Profiles of that time do not list newer calls. The container
// runtimes of that time refuse them with EPERM, today's with ENOSYS. libc does not expect EPERM.
constexpr int kNewest = 450;
constexpr int kBeyond = 550;

class Filter {
 public:
  Filter() : context_(::seccomp_init(SCMP_ACT_ALLOW), &::seccomp_release) {
    if (::geteuid() == 0) ::seccomp_attr_set(context_.get(), SCMP_FLTATR_CTL_NNP, 0);
  }

  void refuse(int number, int error, std::initializer_list<scmp_arg_cmp> arguments = {}) {
    // A call that this architecture does not have fails anyway.
    if (number < 0) return;
    const int result =
        ::seccomp_rule_add_array(context_.get(), SCMP_ACT_ERRNO(static_cast<uint16_t>(error)), number,
                                 static_cast<unsigned>(arguments.size()), arguments.begin());
    if (result < 0 && result != -EEXIST) problem_ = result;
  }

  Result<> load() {
    if (problem_ != 0) return system_error("seccomp_rule_add", -problem_);
    const int result = ::seccomp_load(context_.get());
    if (result < 0) return system_error("seccomp_load", -result);
    return {};
  }

 private:
  std::unique_ptr<void, decltype(&::seccomp_release)> context_;
  int problem_ = 0;
};

int number_of(const std::string& name) {
  return ::seccomp_syscall_resolve_name(name.c_str());
}

Result<> refuse_call(Filter& filter, const std::string& call, int error) {
  const size_t equals = call.find('=');
  const int number = number_of(call.substr(0, equals));
  if (number == __NR_SCMP_ERROR) return Error("no such call: " + call);
  if (equals == std::string::npos) {
    filter.refuse(number, error);
    return {};
  }
  const auto argument = parse_number<uint64_t>(call.substr(equals + 1));
  if (!argument) return Error("not a number: " + call);
  filter.refuse(number, error, {scmp_arg_cmp{0, SCMP_CMP_EQ, *argument, 0}});
  return {};
}

}  // namespace

Result<> refuse_calls(const std::string& rule) {
  const size_t colon = rule.find(':');
  int error = 0;
  for (const Named& named : kErrors)
    if (named.name == rule.substr(0, colon)) error = named.number;
  if (colon == std::string::npos || error == 0) return Error("not an error and calls");
  Filter filter;
  for (size_t at = colon + 1; at <= rule.size();) {
    const size_t end = std::min(rule.find(',', at), rule.size());
    if (auto done = refuse_call(filter, rule.substr(at, end - at), error); !done) return done;
    at = end + 1;
  }
  return filter.load();
}

Result<> filter_as_docker() {
  Filter filter;
  for (const char* name : kNotInDocker)
    filter.refuse(number_of(name), EPERM);
  for (int number = kNewest + 1; number < kBeyond; ++number)
    filter.refuse(number, EPERM);
  // A filter cannot inspect the structure of clone3; after ENOSYS, libc uses clone.
  filter.refuse(number_of("clone3"), ENOSYS);
  for (uint64_t flag = 1; flag != 0 && flag <= kNamespaceFlags; flag <<= 1)
    if (flag & kNamespaceFlags)
      filter.refuse(number_of("clone"), EPERM, {scmp_arg_cmp{0, SCMP_CMP_MASKED_EQ, flag, flag}});
  filter.refuse(number_of("socket"), EPERM, {scmp_arg_cmp{0, SCMP_CMP_EQ, AF_VSOCK, 0}});
  return filter.load();
}

}  // namespace localproxy::matrix
