#include "sandbox/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "build_config.h"

namespace localproxy::sandbox {
namespace {

// From <linux/prctl.h> of Linux 6.3; older headers do not have it.
constexpr int kPrGetMdwe = 66;

constexpr std::string_view kNone = "0000000000000000";

// The value of a line of /proc/self/status.
std::string_view value_of(std::string_view status, std::string_view name) {
  const std::string key = "\n" + std::string(name) + ":\t";
  const size_t at = status.find(key);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = status.substr(at + key.size());
  return rest.substr(0, rest.find('\n'));
}

Result<> expect(std::string_view status, std::string_view name, std::string_view value) {
  if (value_of(status, name) == value) return {};
  return Error("/proc/self/status says " + std::string(name) + " " + std::string(value_of(status, name)) +
               " instead of " + std::string(value));
}

// The line of a kind of id: real, effective, saved, and for files.
std::string four_times(unsigned id) {
  const std::string text = std::to_string(id);
  return text + "\t" + text + "\t" + text + "\t" + text;
}

Result<> check_limit(__rlimit_resource resource, const char* name) {
  rlimit now{RLIM_INFINITY, RLIM_INFINITY};
  if (::getrlimit(resource, &now) != 0) return system_error(name, errno);
  if (now.rlim_cur == 0 && now.rlim_max == 0) return {};
  return Error(std::string(name) + " is not 0");
}

Result<> check_limits(const Policy& policy) {
  if (auto r = check_limit(RLIMIT_CORE, "RLIMIT_CORE"); !r) return r;
  if (!policy.may_fork && !LOCALPROXY_SANITIZER_BUILD) {
    if (auto r = check_limit(RLIMIT_NPROC, "RLIMIT_NPROC"); !r) return r;
  }
  if (policy.may_write_files) return {};
  return check_limit(RLIMIT_FSIZE, "RLIMIT_FSIZE");
}

Result<> check_attributes(const Expected& expected) {
  if (::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0) return Error("this process is dumpable");
  int signal = 0;
  if (expected.parent != 0 && (::prctl(PR_GET_PDEATHSIG, &signal, 0, 0, 0) != 0 || signal != SIGKILL))
    return Error("this process does not die with its parent");
  if (expected.mdwe && ::prctl(kPrGetMdwe, 0, 0, 0, 0) <= 0)
    return Error("memory that was writable may become executable");
  return {};
}

bool is_there(const char* path) {
  struct stat status {};
  return ::stat(path, &status) == 0 || errno != ENOENT;
}

bool is_same_directory(const char* one, const char* other) {
  struct stat a {
  }, b{};
  return ::stat(one, &a) == 0 && ::stat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// 0, or why the directory cannot be read.
int error_of_reading(const char* directory) {
  const UniqueFd opened(::open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return opened ? 0 : errno;
}

}  // namespace

Result<Verification> Verification::begin() {
  Verification begun;
  begun.status_ = UniqueFd(::open("/proc/self/status", O_RDONLY | O_CLOEXEC));
  if (!begun.status_) return system_error("/proc/self/status (is /proc mounted?)", errno);
  begun.namespaces_ = UniqueFd(::open("/proc/self/ns", O_PATH | O_DIRECTORY | O_CLOEXEC));
  begun.before_ = begun.namespaces_now();
  return begun;
}

Verification::Inodes Verification::namespaces_now() const {
  Inodes inodes{};
  std::ranges::transform(kNamespaces, inodes.begin(), [this](const char* name) {
    struct stat status {};
    return ::fstatat(namespaces_.get(), name, &status, 0) == 0 ? status.st_ino : 0;
  });
  return inodes;
}

Result<> Verification::check_namespaces() const {
  const Inodes now = namespaces_now();
  for (size_t i = 0; i < now.size(); ++i) {
    if (now[i] == 0 || now[i] == before_[i])
      return Error(std::string("the ") + kNamespaces[i] + " namespace is not one of its own");
  }
  if (is_there("/proc") || is_there("/usr")) return Error("the root directory is not empty");
  if (!is_same_directory("/", ".")) return Error("the current directory is outside the root directory");
  return {};
}

Result<> Verification::check(const Expected& expected) const {
  std::string status(8'192, '\0');
  const ssize_t size = ::pread(status_.get(), status.data(), status.size(), 0);
  if (size <= 0) return system_error("/proc/self/status", errno);
  status.resize(static_cast<size_t>(size));
  const std::pair<std::string_view, std::string> lines[] = {
      {"Threads", "1"},
      {"Uid", four_times(expected.uid)},
      {"Gid", four_times(expected.gid)},
      {"NoNewPrivs", "1"},
      {"CapInh", std::string(kNone)},
      {"CapPrm", std::string(kNone)},
      {"CapEff", std::string(kNone)},
      {"CapAmb", std::string(kNone)},
  };
  for (const auto& [name, value] : lines) {
    if (auto r = expect(status, name, value); !r) return r;
  }
  if (expected.namespaces) {
    if (auto r = expect(status, "CapBnd", kNone); !r) return r;
    if (auto r = check_namespaces(); !r) return r;
  }
  if (auto r = check_attributes(expected); !r) return r;
  return check_limits(*expected.policy);
}

LandlockProbe::LandlockProbe(const LandlockRules& rules) {
  const auto allow = [&rules](const char* directory) {
    const auto is_it = [directory](const std::string& path) {
      return is_same_directory(path.c_str(), directory);
    };
    return std::ranges::any_of(rules.read, is_it) || std::ranges::any_of(rules.execute, is_it);
  };
  // Both are there, and any user may read them.
  for (const char* directory : {"/", "/proc"}) {
    if (allow("/") || allow(directory) || error_of_reading(directory) != 0) continue;
    directory_ = directory;
    return;
  }
}

Result<> LandlockProbe::check() const {
  if (directory_ == nullptr || error_of_reading(directory_) == EACCES) return {};
  return Error(std::string("Landlock is not in force: ") + directory_ + " can still be read");
}

}  // namespace localproxy::sandbox
