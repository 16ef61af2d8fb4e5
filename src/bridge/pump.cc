#include "bridge/pump.h"

#include <errno.h>
#include <fcntl.h>

#include <utility>

#include "base/limits.h"

namespace localproxy::bridge {
namespace {

// Chunks that are moved before other connections get their turn.
constexpr int kRounds = 4;

ssize_t move_bytes(int from, int to, size_t size) {
  ssize_t moved = 0;
  do {
    moved = ::splice(from, nullptr, to, nullptr, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  } while (moved < 0 && errno == EINTR);
  return moved;
}

}  // namespace

Result<FdPair> PipePool::take() {
  if (idle_.empty()) return make_pipe();
  FdPair pipe = std::move(idle_.back());
  idle_.pop_back();
  return pipe;
}

void PipePool::give_back(FdPair pipe) {
  if (idle_.size() < limits::kMaxIdlePipes) idle_.push_back(std::move(pipe));
}

void Pump::clear() {
  // A pipe with bytes in it is closed, never pooled: they belong to this connection alone.
  pipe_ = FdPair();
  held_ = 0;
}

void Pump::fill(int from) {
  const ssize_t moved = move_bytes(from, pipe_.second.get(), limits::kSpliceChunk);
  if (moved > 0) {
    held_ = static_cast<size_t>(moved);
    return;
  }
  // A channel whose other end was closed with bytes unread ends with ECONNRESET, after all that was in it; a
  // local socket that was reset has nothing more either.
  ended_ = moved == 0 || errno != EAGAIN;
  pool_.give_back(std::exchange(pipe_, FdPair()));
}

Pump::Outcome Pump::drain(int to) {
  while (held_ > 0) {
    const ssize_t moved = move_bytes(pipe_.first.get(), to, held_);
    if (moved <= 0) return moved < 0 && errno == EAGAIN ? Outcome::kWaitOut : Outcome::kBroken;
    held_ -= static_cast<size_t>(moved);
    bytes_ += static_cast<uint64_t>(moved);
  }
  if (pipe_.first) pool_.give_back(std::exchange(pipe_, FdPair()));
  return ended_ ? Outcome::kEnd : Outcome::kAgain;
}

bool Pump::take(int from) {
  if (held_ == 0 && !ended_ && ensure_pipe()) fill(from);
  return held_ > 0;
}

bool Pump::ensure_pipe() {
  if (pipe_.first) return true;
  auto pipe = pool_.take();
  if (pipe) pipe_ = std::move(*pipe);
  return pipe.ok();
}

Pump::Outcome Pump::run(int from, int to) {
  for (int round = 0; round < kRounds; ++round) {
    if (held_ > 0 || ended_) {
      const Outcome outcome = drain(to);
      if (outcome != Outcome::kAgain) return outcome;
    }
    if (!ensure_pipe()) return Outcome::kBroken;
    fill(from);
    if (held_ > 0) continue;
    return ended_ ? Outcome::kEnd : Outcome::kWaitIn;
  }
  if (held_ == 0) return Outcome::kAgain;
  return drain(to);
}

}  // namespace localproxy::bridge
