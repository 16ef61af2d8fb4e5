// Secret: a string whose bytes are overwritten before the memory is given back.
//
// It can be moved but not copied, so that a token is in one place at a time, and it has no conversion to a
// log line: whoever wants the bytes asks for them by reveal().
#pragma once

#include <string.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace localproxy {

// Overwrites memory in a way that the compiler does not remove.
inline void wipe(void* data, size_t size) {
  ::explicit_bzero(data, size);
}

// Overwrites a string's whole buffer, including what is unused of it, and empties the string.
inline void wipe(std::string& text) {
  text.resize(text.capacity());
  wipe(text.data(), text.size());
  text.clear();
}

class Secret {
 public:
  Secret() = default;
  // Copies text; the caller wipes its own copy.
  explicit Secret(std::string_view text) { assign(text); }
  Secret(Secret&& other) noexcept { *this = std::move(other); }
  Secret& operator=(Secret&& other) noexcept {
    if (this != &other) {
      clear();
      // A short std::string lives inside the object, so a move leaves its bytes behind: copy and wipe
      // instead.
      assign(other.reveal());
      other.clear();
    }
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret() { clear(); }

  void assign(std::string_view text) {
    clear();
    text_.reserve(text.size());
    text_.append(text);
  }
  void clear() { wipe(text_); }
  bool empty() const { return text_.empty(); }
  size_t size() const { return text_.size(); }
  std::string_view reveal() const { return text_; }

 private:
  std::string text_;
};

}  // namespace localproxy
