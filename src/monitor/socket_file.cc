#include "monitor/socket_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include "base/address.h"
#include "base/fd.h"

namespace localproxy::monitor {
namespace {

// Files created while this lives are accessible to their owner alone. bind() creates the file with these
// permissions, so there is no moment at which others could connect.
class PrivateFiles {
 public:
  PrivateFiles() : before_(::umask(S_IXUSR | S_IRWXG | S_IRWXO)) {}
  ~PrivateFiles() { ::umask(before_); }
  PrivateFiles(const PrivateFiles&) = delete;
  PrivateFiles& operator=(const PrivateFiles&) = delete;

 private:
  const mode_t before_;
};

int bind_private(int socket, const Address& address) {
  const PrivateFiles files;
  return ::bind(socket, address.get(), address.size) == 0 ? 0 : errno;
}

// Whether path is a socket that this user may remove and on which nobody listens.
bool is_stale(const std::string& path, const Address& address) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
  const uid_t user = ::geteuid();
  if (user != 0 && status.st_uid != user) return false;
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return probe.valid() && ::connect(probe.get(), address.get(), address.size) != 0 && errno == ECONNREFUSED;
}

Error cannot_bind(const std::string& path, int error) {
  std::string hint;
  if (error == EADDRINUSE) {
    struct stat status {};
    const bool socket = ::lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode);
    hint = socket ? " (another program listens there; choose another path, or stop it)"
                  : " (there is a file of that name, which is no socket; choose another path)";
  }
  if (error == ENOENT || error == ENOTDIR) hint = " (its folder does not exist)";
  if (error == EACCES || error == EPERM) hint = " (this user may not make files in its folder)";
  return Error("cannot listen on " + path + ": " + system_error("bind", error).text() + hint);
}

}  // namespace

SocketFile& SocketFile::operator=(SocketFile&& other) noexcept {
  if (this == &other) return *this;
  remove();
  path_ = std::exchange(other.path_, std::string());
  device_ = other.device_;
  inode_ = other.inode_;
  return *this;
}

Result<SocketFile> SocketFile::bind(int socket, const std::string& path) {
  const Address address = unix_address(path);
  int error = bind_private(socket, address);
  if (error == EADDRINUSE && is_stale(path, address) && ::unlink(path.c_str()) == 0) {
    error = bind_private(socket, address);
  }
  if (error != 0) return cannot_bind(path, error);
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return system_error("cannot find " + path, errno);
  SocketFile file;
  file.path_ = path;
  file.device_ = status.st_dev;
  file.inode_ = status.st_ino;
  return file;
}

Result<> SocketFile::give_to(uid_t user, gid_t group) const {
  if (::lchown(path_.c_str(), user, group) != 0) return system_error("cannot give away " + path_, errno);
  return {};
}

void SocketFile::remove() {
  if (path_.empty()) return;
  struct stat status {};
  // Best effort: the next start replaces what is left behind.
  if (::lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_) {
    ::unlink(path_.c_str());
  }
  path_.clear();
}

}  // namespace localproxy::monitor
