// Secret: a string in locked memory (base/locked_memory.h) whose bytes are overwritten when it is destroyed.
//
// It can be moved but not copied, so that a token is in one place at a time. It does not convert to text for
// a log line: code that needs the bytes calls reveal().
#pragma once

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "base/locked_memory.h"

namespace localproxy {

// Overwrites memory in a way that the compiler does not remove.
inline void wipe(void* data, size_t size) {
  ::explicit_bzero(data, size);
}

// Overwrites a string's whole buffer, including the unused part, and empties the string.
inline void wipe(std::string& text) {
  text.resize(text.capacity());
  wipe(text.data(), text.size());
  text.clear();
}

// Like free(), after overwriting all of the block: for processes whose heap has seen keys and plaintext.
inline void wiped_free(void* block) {
  if (block == nullptr) return;
  wipe(block, ::malloc_usable_size(block));
  ::free(block);
}

// Overwrites 128 KiB of free stack below the caller, and the vector registers. Copying a secret leaves parts
// of it in those registers, and code that saves them (the dynamic linker when it binds a function at its
// first call, perhaps much later) leaves them on the stack.
void wipe_stack();

class Secret {
 public:
  Secret() = default;
  // Copies text; the caller wipes its own copy.
  explicit Secret(std::string_view text) { assign(text); }
  Secret(Secret&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Secret& operator=(Secret&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    if (this != &other) other.clear();
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { clear(); }

  void assign(std::string_view text) {
    clear();
    if (text.empty()) return;
    data_ = locked_allocate(text.size());
    size_ = text.size();
    ::memcpy(data_, text.data(), size_);
  }
  void clear() {
    if (data_ != nullptr) locked_free(data_, size_);
    data_ = nullptr;
    size_ = 0;
  }
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  std::string_view reveal() const { return {data_, size_}; }

 private:
  char* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace localproxy
