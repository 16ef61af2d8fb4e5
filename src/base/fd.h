// Descriptors that close themselves. Every descriptor in this program is close-on-exec and owned by one
// UniqueFd.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace localproxy {

class [[nodiscard]] UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  explicit operator bool() const { return valid(); }
  // Gives the descriptor away without closing it.
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  // Closes the descriptor that is held, if any, and takes fd.
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

struct FdPair {
  UniqueFd first;
  UniqueFd second;
};

// Closes every descriptor from `first` on except `keep`, one by one, as /proc/self/fd lists them. For kernels
// and container filters that lack close_range(). Safe between fork and exec. False: /proc cannot be read.
bool close_each(int first, int keep = -1);

// Writes all of text. Not through stdio, which first asks whether a character device is a terminal.
Result<> write_all(int fd, std::string_view text);

// A connected pair of UNIX sockets, both ends non-blocking. type: SOCK_STREAM or SOCK_SEQPACKET.
Result<FdPair> make_socketpair(int type);

// A non-blocking pipe: first reads, second writes.
Result<FdPair> make_pipe();
// Gives a pipe room for `size` bytes. False: the kernel refused, as it does when the user has many or when
// the pipe holds more. pipe: either end.
bool resize_pipe(int pipe, size_t size);

}  // namespace localproxy
