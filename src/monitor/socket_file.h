// The file of a UNIX socket that a source listens on.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.h"

namespace localproxy::monitor {

class SocketFile {
 public:
  SocketFile() = default;
  SocketFile(SocketFile&& other) noexcept { *this = std::move(other); }
  SocketFile& operator=(SocketFile&& other) noexcept;
  // Removes the file if it is still the one that bind() created.
  ~SocketFile() { remove(); }

  // Binds a UNIX socket to path, with mode 0600. A socket of this user on which nobody listens any more is
  // replaced. It is an error if the path is in use, by a socket or by anything else, or cannot be created.
  static Result<SocketFile> bind(int socket, const std::string& path);

  // Gives the file to another user. REQUIRES: root.
  Result<> give_to(uid_t user, gid_t group) const;

  const std::string& path() const { return path_; }

 private:
  void remove();

  std::string path_;  // empty: none
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace localproxy::monitor
