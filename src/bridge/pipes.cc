#include "bridge/pipes.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <utility>

#include "base/limits.h"

namespace localproxy::bridge {

Result<ChannelEnds> Pipes::make() {
  auto to_net = make_socketpair(SOCK_STREAM);
  if (!to_net) return to_net.error();
  auto from_net = make_pipe();
  if (!from_net) return from_net.error();
  return ChannelEnds{{std::move(from_net->first), std::move(to_net->first)},
                     {std::move(to_net->second), std::move(from_net->second)}};
}

bool Pipes::grow(int pipe, size_t size) {
  const bool bulk = size >= limits::kBulkPipe;
  if (bulk && bulk_ >= limits::kMostBulkPipes) return false;
  if (refused_ != 0 && size >= refused_) {
    if (std::chrono::steady_clock::now() < refused_until_) return false;
    refused_ = 0;
  }
  if (resize_pipe(pipe, size)) {
    bulk_ += bulk ? 1 : 0;
    return true;
  }
  refused_ = size;
  refused_until_ = std::chrono::steady_clock::now() + limits::kPipeRefused;
  return false;
}

bool Pipes::shrink(int pipe, size_t size) {
  if (!resize_pipe(pipe, limits::kIdlePipe)) return false;
  forget(size);
  return true;
}

void Pipes::forget(size_t size) {
  if (size >= limits::kBulkPipe) --bulk_;
}

ssize_t move_bytes(int from, int to, size_t size) {
  ssize_t moved = 0;
  do {
    moved = ::splice(from, nullptr, to, nullptr, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  } while (moved < 0 && errno == EINTR);
  return moved;
}

size_t Pipes::waiting(int pipe) {
  int size = 0;
  return ::ioctl(pipe, FIONREAD, &size) == 0 && size > 0 ? static_cast<size_t>(size) : 0;
}

}  // namespace localproxy::bridge
