// Byte buffers that keep their memory, so that relaying does not allocate.
#pragma once

#include <string.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/bytes.h"

namespace localproxy::service {

// One contiguous run of bytes, filled at its end and emptied at its front.
class FlatBuffer {
 public:
  explicit FlatBuffer(size_t capacity = 0) { grow(capacity); }

  size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  uint8_t* data() { return memory_.get() + begin_; }
  Bytes bytes() const { return {memory_.get() + begin_, size()}; }

  // Free space at the end, at least `least` bytes. May move what data() points at.
  MutableBytes room(size_t least) {
    if (capacity_ - end_ < least) {
      if (capacity_ - size() < least) {
        grow(std::max(capacity_ * 2, size() + least));
      } else {
        memmove(memory_.get(), data(), size());
        end_ = size();
        begin_ = 0;
      }
    }
    return {memory_.get() + end_, capacity_ - end_};
  }
  // The first n bytes of room() have been filled.
  void commit(size_t n) { end_ += n; }
  void append(Bytes bytes) {
    if (bytes.empty()) return;
    memcpy(room(bytes.size()).data(), bytes.data(), bytes.size());
    commit(bytes.size());
  }
  void consume(size_t n) {
    begin_ += n;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  void clear() { begin_ = end_ = 0; }

 private:
  void grow(size_t capacity) {
    if (capacity <= capacity_) return;
    auto memory = std::make_unique_for_overwrite<uint8_t[]>(capacity);
    if (!empty()) memcpy(memory.get(), data(), size());
    end_ = size();
    begin_ = 0;
    memory_ = std::move(memory);
    capacity_ = capacity;
  }

  std::unique_ptr<uint8_t[]> memory_;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
};

// A queue of bytes that never moves what it holds, except to grow.
class RingBuffer {
 public:
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  void append(Bytes bytes) {
    if (bytes.empty()) return;
    if (capacity_ - size_ < bytes.size()) grow(size_ + bytes.size());
    const size_t at = (head_ + size_) & (capacity_ - 1);
    const size_t first = std::min(bytes.size(), capacity_ - at);
    memcpy(memory_.get() + at, bytes.data(), first);
    memcpy(memory_.get(), bytes.data() + first, bytes.size() - first);
    size_ += bytes.size();
  }
  // The whole content, as one or two parts; returns the number of parts.
  size_t parts(std::array<iovec, 2>& parts) {
    const size_t first = std::min(size_, capacity_ - head_);
    parts[0] = {memory_.get() + head_, first};
    parts[1] = {memory_.get(), size_ - first};
    return first == size_ ? 1 : 2;
  }
  void consume(size_t n) {
    size_ -= n;
    // Starts over when empty, so that the same few pages stay in the cache.
    head_ = size_ == 0 ? 0 : (head_ + n) & (capacity_ - 1);
  }
  void clear() { consume(size_); }

 private:
  void grow(size_t least) {
    size_t capacity = std::max<size_t>(capacity_, 64 * 1024);
    while (capacity < least)
      capacity *= 2;
    auto memory = std::make_unique_for_overwrite<uint8_t[]>(capacity);
    if (!empty()) {
      std::array<iovec, 2> old{};
      const size_t count = parts(old);
      memcpy(memory.get(), old[0].iov_base, old[0].iov_len);
      if (count == 2) memcpy(memory.get() + old[0].iov_len, old[1].iov_base, old[1].iov_len);
    }
    memory_ = std::move(memory);
    capacity_ = capacity;
    head_ = 0;
  }

  std::unique_ptr<uint8_t[]> memory_;
  size_t capacity_ = 0;  // a power of two
  size_t head_ = 0;
  size_t size_ = 0;
};

}  // namespace localproxy::service
