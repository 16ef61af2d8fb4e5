#include "config/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "base/fd.h"
#include "config/endpoint.h"

namespace localproxy::config {
namespace {

// Reads until the end or until the buffer is full; the number of bytes, or -1 and errno. A file is read with
// pread(), which works on files alone: the sandboxed monitor may not call read() when it reads the token
// again.
ssize_t read_until_full(int fd, std::string& buffer) {
  struct stat status {};
  const bool file = ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && fd != STDIN_FILENO;
  size_t have = 0;
  while (have < buffer.size()) {
    char* const at = buffer.data() + have;
    const size_t room = buffer.size() - have;
    const ssize_t got = file ? ::pread(fd, at, room, static_cast<off_t>(have)) : ::read(fd, at, room);
    if (got == 0) break;
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    have += static_cast<size_t>(got);
  }
  return static_cast<ssize_t>(have);
}

}  // namespace

Result<Secret> read_file(const std::string& path, size_t most, const std::string& what) {
  UniqueFd file;
  int fd = STDIN_FILENO;
  if (path != "-") {
    file.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
    if (!file) return system_error(what, errno);
    fd = file.get();
  }
  std::string buffer(most + 1, '\0');  // one more byte shows whether there is more
  const ssize_t got = read_until_full(fd, buffer);
  const int error_number = errno;
  const size_t size = got < 0 ? 0 : static_cast<size_t>(got);
  Secret content(size <= most ? std::string_view(buffer).substr(0, size) : std::string_view());
  wipe(buffer);
  if (got < 0) return system_error(what, error_number);
  if (size > most) return Error(what + ": there are more than " + std::to_string(most) + " bytes");
  return content;
}

Result<> write_file(const std::string& path, std::string_view text) {
  const std::string what = "cannot write " + shown(path);
  UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0644));
  if (!file) return system_error(what, errno);
  if (auto written = write_all(file.get(), text); !written) return written.error().about(what);
  // Some file systems report only now that there was no room.
  if (::close(file.release()) != 0) return system_error(what, errno);
  return {};
}

bool readable_by_all(const std::string& path) {
  struct stat status;
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & S_IROTH) != 0;
}

bool only_ours(const std::string& path) {
  struct stat status;
  const auto ours = [&status] { return status.st_uid == ::geteuid() || status.st_uid == 0; };
  if (::lstat(path.c_str(), &status) != 0 || !ours()) return false;
  if (S_ISLNK(status.st_mode) && (::stat(path.c_str(), &status) != 0 || !ours())) return false;
  return (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

std::string absolute_path(const std::string& path) {
  std::error_code failed;
  const std::filesystem::path whole = std::filesystem::absolute(path, failed);
  return failed ? path : whole.string();
}

}  // namespace localproxy::config
