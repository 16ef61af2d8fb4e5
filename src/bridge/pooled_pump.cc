#include "bridge/pooled_pump.h"

#include <errno.h>

#include <utility>

#include "base/exhaustion.h"
#include "base/limits.h"
#include "bridge/pipes.h"

namespace localproxy::bridge {
Result<Pipe> PipePool::take() {
  if (idle_.empty()) {
    auto made = make_pipe();
    if (!made) return made.error();
    return Pipe{std::move(*made)};
  }
  Pipe pipe = std::move(idle_.back());
  idle_.pop_back();
  return pipe;
}

Result<> PipePool::reserve() {
  if (!idle_.empty()) return {};
  auto made = take();
  if (!made) return made.error();
  give_back(std::move(*made));
  return {};
}

void PipePool::give_back(Pipe pipe) {
  if (idle_.size() < limits::kMaxIdlePipes) idle_.push_back(std::move(pipe));
}

void PipePool::grow(Pipe& pipe) {
  if (refused_ || pipe.size >= limits::kBulkPipe) return;
  refused_ = !resize_pipe(pipe.fds.second.get(), limits::kBulkPipe);
  if (!refused_) pipe.size = limits::kBulkPipe;
}

void PooledPump::clear() {
  // A pipe with bytes in it is closed, never pooled: they belong to this connection alone.
  pipe_ = Pipe();
  held_ = 0;
}

void PooledPump::fill(int from) {
  const ssize_t moved = move_bytes(from, pipe_.fds.second.get(), pipe_.size);
  if (moved > 0) {
    held_ = static_cast<size_t>(moved);
    if (held_ >= limits::kBulkSplice) pool_.grow(pipe_);
    return;
  }
  // A channel whose other end was closed with bytes unread ends with ECONNRESET, after all its data. A local
  // socket that was reset has no more data either.
  const int error = moved < 0 ? errno : 0;
  if (is_exhaustion(error)) shortage_ = system_error("splice", error).text();
  ended_ = error != EAGAIN && shortage_.empty();
  broke_off_ = ended_ && error != 0;
  pool_.give_back(std::exchange(pipe_, Pipe()));
}

PooledPump::Outcome PooledPump::drain(int to) {
  while (held_ > 0) {
    const ssize_t moved = move_bytes(pipe_.fds.first.get(), to, held_);
    if (moved < 0 && errno == EAGAIN) return Outcome::kWaitOut;
    if (moved < 0 && is_exhaustion(errno)) {
      shortage_ = system_error("splice", errno).text();
      return Outcome::kShort;
    }
    if (moved <= 0) return Outcome::kBroken;
    held_ -= static_cast<size_t>(moved);
    bytes_ += static_cast<uint64_t>(moved);
  }
  if (pipe_.fds.first) pool_.give_back(std::exchange(pipe_, Pipe()));
  return ended_ ? Outcome::kEnd : Outcome::kAgain;
}

bool PooledPump::ensure_pipe() {
  if (pipe_.fds.first) return true;
  auto pipe = pool_.take();
  if (pipe) {
    pipe_ = std::move(*pipe);
  } else {
    shortage_ = pipe.error().text();
  }
  return pipe.ok();
}

PooledPump::Outcome PooledPump::run(int from, int to) {
  const uint64_t turn_ends = bytes_ + limits::kPumpTurn;
  shortage_.clear();
  for (;;) {
    if (held_ > 0 || ended_) {
      // Little means that there is no more: the event loop, and not another splice, finds out when there is.
      const bool little = !ended_ && held_ < limits::kBulkRead;
      const Outcome outcome = drain(to);
      if (outcome != Outcome::kAgain || bytes_ >= turn_ends) return outcome;
      if (little) return Outcome::kWaitIn;
    }
    if (!ensure_pipe()) return Outcome::kShort;
    fill(from);
    if (!shortage_.empty()) return Outcome::kShort;
    if (held_ == 0 && !ended_) return Outcome::kWaitIn;
  }
}

}  // namespace localproxy::bridge
