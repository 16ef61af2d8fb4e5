// The descriptors 0, 1 and 2 of this program, whose open files other programs share.
//
// O_NONBLOCK belongs to the open file, so a shell and other programs see it. Standard input and output have
// it while they are a local client, and get their flags back at the end. Standard error keeps its flags, and
// yet no log line waits for a reader.
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace localproxy::monitor {

// Standard input and output as the local client of a source (-s SERVICE=-), for ssh's ProxyCommand. Makes
// both non-blocking while it lives, and restores them at its end for others that have them open, above all a
// shell.
class StandardStreams {
 public:
  // It is an error if one of them is a file, or something else that cannot be waited for.
  Result<> prepare();
  StandardStreams() = default;
  ~StandardStreams();
  StandardStreams(const StandardStreams&) = delete;
  StandardStreams& operator=(const StandardStreams&) = delete;

 private:
  std::array<int, 2> flags_{-1, -1};  // as they were; -1: not touched
};

// Standard error, as a descriptor on which no write waits for a reader, and whose flags stay as they are.
//
// - A pipe or a terminal is opened again, as a file of our own that is non-blocking, and takes the place of
//   descriptor 2.
// - A socket cannot be opened again. It is sent to with MSG_DONTWAIT.
// - A pipe or a terminal of somebody else's may not be opened again, or there is no /proc. Then it is written
//   to when the kernel says that there is room. Somebody else may take the room first: a timer ends such a
//   write.
// - A file, or a device that is no terminal, does not wait for anybody.
class StandardError {
 public:
  // REQUIRES: no sandbox yet, since none allows what this needs.
  StandardError();

  // Writes a line, or as much of it as there is room for. -1 and errno on failure: EAGAIN when there is no
  // room now.
  ssize_t write(std::string_view line) const;
  // Waits until there is room, or nobody is left to read. False: neither happened in time.
  bool wait_for_room(std::chrono::milliseconds most) const;

 private:
  enum class Kind { kOwn, kSocket, kShared, kFile };
  static Kind prepare();

  Kind kind_;
  UniqueFd ready_;  // an epoll that is readable when there is room
};

}  // namespace localproxy::monitor
