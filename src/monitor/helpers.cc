#include "monitor/helpers.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string_view>

#include "build_config.h"

namespace localproxy::monitor {
namespace {

Result<std::string> own_directory() {
  char path[PATH_MAX];
  const ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
  if (size <= 0 || static_cast<size_t>(size) == sizeof path) return system_error("/proc/self/exe", errno);
  const std::string exe(path, static_cast<size_t>(size));
  return exe.substr(0, exe.rfind('/'));
}

// An installation may have been moved as a whole (DESTDIR), so only the ends of the paths are compared.
std::string helper_directory(const std::string& own) {
  const std::string_view bin = LOCALPROXY_BIN_DIR;
  if (!own.ends_with(bin)) return own;
  return own.substr(0, own.size() - bin.size()) + LOCALPROXY_LIBEXEC_DIR;
}

Result<UniqueFd> open_helper(const std::string& path) {
  UniqueFd file(::open(path.c_str(), O_PATH | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return system_error("cannot open the helper " + path, errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return system_error(path, errno);
  if (!S_ISREG(status.st_mode)) return Error("the helper " + path + " is not a plain file");
  if ((status.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0)
    return Error("the helper " + path + " is not executable; install it anew");
  const bool foreign = status.st_uid != 0 && status.st_uid != ::getuid();
  if (foreign || (status.st_mode & S_IWOTH) != 0) {
    return Error("the helper " + path + " could have been replaced by another user; install it anew");
  }
  return file;
}

}  // namespace

std::string program_name(ipc::Role role) {
  return "localproxy-" + std::string(to_string(role));
}

Result<Helpers> Helpers::open() {
  auto own = own_directory();
  if (!own) return own.error();
  const std::string directory = helper_directory(*own);
  Helpers helpers;
  for (const ipc::Role role :
       {ipc::Role::kNet, ipc::Role::kBridge, ipc::Role::kResolve, ipc::Role::kLaunch}) {
    auto file = open_helper(directory + "/" + program_name(role));
    if (!file) return file.error();
    helpers.files_[static_cast<size_t>(role)] = std::move(*file);
  }
  helpers.null = UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!helpers.null) return system_error("/dev/null", errno);
  return helpers;
}

}  // namespace localproxy::monitor
