#include "sandbox/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

namespace localproxy::sandbox {
namespace {

// The kernel's interface, from its Documentation/userspace-api/landlock.rst; the headers of a distribution
// are often older than its kernel, so the numbers are here.
struct RulesetAttr {
  uint64_t handled_access_fs;
  uint64_t handled_access_net;  // ABI 4
  uint64_t scoped;              // ABI 6
};
struct [[gnu::packed]] PathBeneathAttr {
  uint64_t allowed_access;
  int32_t parent_fd;
};
struct NetPortAttr {
  uint64_t allowed_access;
  uint64_t port;
};
constexpr uint32_t kCreateRulesetVersion = 1;
constexpr int kRulePathBeneath = 1;
constexpr int kRuleNetPort = 2;

constexpr uint64_t bit(unsigned n) {
  return uint64_t{1} << n;
}
constexpr uint64_t kExecute = bit(0);
constexpr uint64_t kReadFile = bit(2);
constexpr uint64_t kReadDir = bit(3);
constexpr uint64_t kRemoveFile = bit(5);
constexpr uint64_t kMakeSocket = bit(9);
constexpr uint64_t kConnectSocket = bit(16);  // LANDLOCK_ACCESS_FS_RESOLVE_UNIX, ABI 9
constexpr uint64_t kBindTcp = bit(0);
constexpr uint64_t kConnectTcp = bit(1);
constexpr uint64_t kAbstractSockets = bit(0);
constexpr uint64_t kSignals = bit(1);

// Rights that make sense on something that is not a directory.
constexpr uint64_t kFileRights = kExecute | kReadFile | kConnectSocket;

// Every right that an ABI knows.
RulesetAttr all_rights(int abi) {
  RulesetAttr all{};
  all.handled_access_fs = bit(13) - 1;             // ABI 1: EXECUTE to MAKE_SYM
  if (abi >= 2) all.handled_access_fs |= bit(13);  // REFER
  if (abi >= 3) all.handled_access_fs |= bit(14);  // TRUNCATE
  if (abi >= 5) all.handled_access_fs |= bit(15);  // IOCTL_DEV
  if (abi >= 9) all.handled_access_fs |= kConnectSocket;
  if (abi >= 4) all.handled_access_net = kBindTcp | kConnectTcp;
  if (abi >= 6) all.scoped = kAbstractSockets | kSignals;
  return all;
}

size_t attr_size(int abi) {
  if (abi >= 6) return sizeof(RulesetAttr);
  return abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
}

Result<> add_path(int ruleset, const std::string& path, uint64_t rights) {
  UniqueFd parent(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!parent) {
    if (errno == ENOENT || errno == ENOTDIR || errno == EACCES) return {};
    return system_error("Landlock: " + path, errno);
  }
  struct stat status {};
  if (::fstat(parent.get(), &status) != 0) return system_error("Landlock: " + path, errno);
  if (!S_ISDIR(status.st_mode)) rights &= kFileRights;
  const PathBeneathAttr attr{rights, parent.get()};
  if (::syscall(SYS_landlock_add_rule, ruleset, kRulePathBeneath, &attr, 0) != 0) {
    return system_error("Landlock: " + path, errno);
  }
  return {};
}

Result<> add_paths(int ruleset, const std::vector<std::string>& paths, uint64_t rights) {
  for (const std::string& path : paths) {
    if (auto added = add_path(ruleset, path, rights); !added) return added;
  }
  return {};
}

Result<> add_files(int ruleset, const std::vector<int>& files, uint64_t rights) {
  for (const int file : files) {
    const PathBeneathAttr attr{rights, file};
    if (::syscall(SYS_landlock_add_rule, ruleset, kRulePathBeneath, &attr, 0) != 0) {
      return system_error("Landlock: a helper", errno);
    }
  }
  return {};
}

Result<> add_ports(int ruleset, const std::vector<uint16_t>& ports, uint64_t right) {
  for (const uint16_t port : ports) {
    const NetPortAttr attr{right, port};
    if (::syscall(SYS_landlock_add_rule, ruleset, kRuleNetPort, &attr, 0) != 0) {
      return system_error("Landlock: port " + std::to_string(port), errno);
    }
  }
  return {};
}

// What the kernel's errno means to the administrator of the machine.
Error no_landlock(int error) {
  const std::string why =
      error == EOPNOTSUPP ? "Landlock is switched off (the kernel's command line can name it in lsm=)"
      : error == ENOSYS   ? "this kernel has no Landlock, or the filter of a container hides it"
                          : "the filter of a container keeps Landlock from this process";
  return Error(why + ": " + error_text(error) + " (start with --sandbox=no-landlock to go on without it)");
}

}  // namespace

int landlock_abi() {
  const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, kCreateRulesetVersion);
  return abi < 0 ? 0 : static_cast<int>(abi);
}

Result<int> enter_landlock(const LandlockRules& rules) {
  const int abi = landlock_abi();
  if (abi < 1) return no_landlock(errno);
  RulesetAttr attr = all_rights(abi);
  if (!rules.scope_signals) attr.scoped &= ~kSignals;
  UniqueFd ruleset(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attr, attr_size(abi), 0)));
  if (!ruleset) return system_error("landlock_create_ruleset", errno);
  const int fd = ruleset.get();
  if (auto r = add_paths(fd, rules.read, kReadFile | kReadDir); !r) return r.error();
  if (auto r = add_paths(fd, rules.execute, kReadFile | kReadDir | kExecute); !r) return r.error();
  if (auto r = add_files(fd, rules.execute_files, kReadFile | kExecute); !r) return r.error();
  if (auto r = add_paths(fd, rules.make_sockets, kMakeSocket | kRemoveFile); !r) return r.error();
  if ((attr.handled_access_fs & kConnectSocket) != 0) {
    if (auto r = add_paths(fd, rules.connect_sockets, kConnectSocket); !r) return r.error();
  }
  if (attr.handled_access_net != 0) {
    if (auto r = add_ports(fd, rules.connect_ports, kConnectTcp); !r) return r.error();
    if (auto r = add_ports(fd, rules.bind_ports, kBindTcp); !r) return r.error();
  }
  if (::syscall(SYS_landlock_restrict_self, fd, 0) != 0) return system_error("landlock_restrict_self", errno);
  return abi;
}

}  // namespace localproxy::sandbox
