// Standard error, as a descriptor on which no write waits for a reader, and whose flags stay as others want
// them: O_NONBLOCK belongs to the open file, which a shell and other programs have open as well.
//
// - A pipe or a terminal is opened again, as a file of our own that is non-blocking, and takes the place of
//   descriptor 2.
// - A socket cannot be opened again. It is sent to with MSG_DONTWAIT.
// - A pipe or a terminal of somebody else's may not be opened again, or there is no /proc. Then it is written
// to
//   when the kernel says that there is room. Somebody else may take the room first: a timer ends such a
//   write.
// - A file, or a device that is no terminal, does not wait for anybody.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string_view>

#include "base/fd.h"

namespace localproxy::monitor {

class StandardError {
 public:
  // Before the sandbox: none allows what this needs.
  StandardError();

  // Writes a line, or as much of it as there is room for. -1 and errno: EAGAIN when there is none now.
  ssize_t write(std::string_view line) const;
  // Waits until there is room, or nobody left to read. False: neither came in time.
  bool wait_for_room(std::chrono::milliseconds most) const;

 private:
  enum class Kind { kOwn, kSocket, kShared, kFile };
  static Kind prepare();

  Kind kind_;
  UniqueFd ready_;  // epoll: is there room
};

}  // namespace localproxy::monitor
