#include "base/fd.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <string_view>

namespace localproxy {

void UniqueFd::reset(int fd) {
  const int old = std::exchange(fd_, fd);
  // On Linux the descriptor is gone even when close() fails, so there is nothing to retry.
  if (old >= 0) ::close(old);
}

bool close_each(int first, int keep) {
  const int directory = ::open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return false;
  // opendir() would allocate.
  alignas(dirent64) char entries[2'048];
  ssize_t size = 0;
  while ((size = ::getdents64(directory, entries, sizeof entries)) > 0) {
    for (ssize_t at = 0; at < size;) {
      const auto* const entry = reinterpret_cast<const dirent64*>(entries + at);
      at += entry->d_reclen;
      const std::string_view name = entry->d_name;
      int fd = -1;  // of "." and ".."
      std::from_chars(name.data(), name.data() + name.size(), fd);
      if (fd >= first && fd != keep && fd != directory) ::close(fd);
    }
  }
  ::close(directory);
  return size == 0;
}

Result<> write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::write(fd, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return system_error("write", errno);
    text.remove_prefix(static_cast<size_t>(put));
  }
  return {};
}

Result<FdPair> make_socketpair(int type) {
  int fds[2];
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0) {
    return system_error("socketpair", errno);
  }
  return FdPair{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

Result<FdPair> make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0) return system_error("pipe2", errno);
  return FdPair{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

bool resize_pipe(int pipe, size_t size) {
  return ::fcntl(pipe, F_SETPIPE_SZ, size) >= 0;
}

}  // namespace localproxy
