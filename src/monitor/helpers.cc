#include "monitor/helpers.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

#include "base/spawn.h"
#include "build_config.h"

namespace localproxy::monitor {
namespace {

// The program that runs here.
struct Own {
  std::string directory;
  struct stat file {};
  struct stat place {};  // of the directory
};

Result<Own> own_program() {
  static constexpr const char* kSelf = "/proc/self/exe";
  char path[PATH_MAX];
  Own own;
  const ssize_t size = ::readlink(kSelf, path, sizeof path);
  if (size <= 0 || static_cast<size_t>(size) == sizeof path || ::stat(kSelf, &own.file) != 0) {
    return system_error(
        "cannot read /proc/self/exe, without which the helpers are not found (/proc has to be mounted)",
        errno);
  }
  const std::string exe(path, static_cast<size_t>(size));
  own.directory = exe.substr(0, exe.rfind('/'));
  if (::stat(own.directory.c_str(), &own.place) != 0) own.place = own.file;  // it was replaced meanwhile
  return own;
}

// An installation may have been moved as a whole (DESTDIR), so only the ends of the paths are compared.
std::string helper_directory(const std::string& own) {
  const std::string_view bin = LOCALPROXY_BIN_DIR;
  if (!own.ends_with(bin)) return own;
  return own.substr(0, own.size() - bin.size()) + LOCALPROXY_LIBEXEC_DIR;
}

// In such a directory users can remove only their own files.
bool is_sticky(const struct stat& status) {
  return S_ISDIR(status.st_mode) && (status.st_mode & S_ISVTX) != 0;
}

// Whether somebody who could not change this program could change the file that `status` describes, or the
// content of that directory. The owner of this program, who may have built it and start it with sudo, is
// trusted: the program already runs as us.
bool is_foreign(const struct stat& status, const Own& own) {
  constexpr gid_t kNoGroup = ~gid_t{0};
  const auto group_of = [](const struct stat& of) {  // whose members may write to it
    return (of.st_mode & S_IWGRP) != 0 && !is_sticky(of) ? of.st_gid : kNoGroup;
  };
  const uid_t owners[] = {0, ::getuid(), own.file.st_uid, own.place.st_uid};
  const gid_t groups[] = {kNoGroup, group_of(own.file), group_of(own.place)};
  const bool everybody = (status.st_mode & S_IWOTH) != 0 && !is_sticky(status);
  return everybody || std::ranges::find(owners, status.st_uid) == std::end(owners) ||
         std::ranges::find(groups, group_of(status)) == std::end(groups);
}

Result<> check_directory(const std::string& path, const Own& own) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0)
    return system_error("cannot open the directory of the helpers " + path, errno);
  if (is_foreign(status, own)) {
    return Error(
        "the helpers in " + path +
        " could be replaced by another user, who owns the directory or may write to it; install them "
        "anew");
  }
  return {};
}

Result<UniqueFd> open_helper(const std::string& path, const Own& own) {
  UniqueFd file(::open(path.c_str(), O_PATH | O_CLOEXEC | O_NOFOLLOW));
  if (!file) return system_error("cannot open the helper " + path, errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return system_error(path, errno);
  if (!S_ISREG(status.st_mode)) return Error("the helper " + path + " is not a plain file");
  if ((status.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0)
    return Error("the helper " + path + " is not executable; install it anew");
  if (is_foreign(status, own))
    return Error("the helper " + path + " could have been replaced by another user; install it anew");
  return file;
}

}  // namespace

Result<Helpers> Helpers::open() {
  const auto own = own_program();
  if (!own) return own.error();
  const std::string directory = helper_directory(own->directory);
  if (auto good = check_directory(directory, *own); !good) return good.error();
  Helpers helpers;
  for (const ipc::Role role :
       {ipc::Role::kNet, ipc::Role::kBridge, ipc::Role::kResolve, ipc::Role::kLaunch}) {
    auto file = open_helper(directory + "/" + program_name(to_string(role)), *own);
    if (!file) return file.error();
    helpers.files_[static_cast<size_t>(role)] = std::move(*file);
  }
  helpers.null = UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!helpers.null)
    return system_error("cannot open /dev/null (this system or container has to have it)", errno);
  return helpers;
}

}  // namespace localproxy::monitor
