// Fixed-width integers in network byte order, read from and written to plain bytes.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace localproxy {

using Bytes = std::span<const uint8_t>;
using MutableBytes = std::span<uint8_t>;

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// REQUIRES: at least sizeof(T) bytes at `at`.
template <std::unsigned_integral T>
void store_be(uint8_t* at, T value) {
  for (size_t i = sizeof(T); i-- > 0;) {
    at[i] = static_cast<uint8_t>(value);
    if constexpr (sizeof(T) > 1) value = static_cast<T>(value >> 8);
  }
}

// REQUIRES: at least sizeof(T) bytes at `at`.
template <std::unsigned_integral T>
T load_be(const uint8_t* at) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(T); ++i)
    value = value << 8 | at[i];
  return static_cast<T>(value);
}

// Takes values off the front of a run of bytes. After the first that does not fit, every further take fails
// too and finished() is false, so that a decoder may check once, at its end.
class ByteReader {
 public:
  explicit ByteReader(Bytes bytes) : rest_(bytes) {}

  template <std::unsigned_integral T>
  bool take(T& value) {
    if (failed_ || rest_.size() < sizeof(T)) return fail();
    value = load_be<T>(rest_.data());
    rest_ = rest_.subspan(sizeof(T));
    return true;
  }
  bool take(Bytes& bytes, size_t size) {
    if (failed_ || rest_.size() < size) return fail();
    bytes = rest_.first(size);
    rest_ = rest_.subspan(size);
    return true;
  }
  size_t remaining() const { return rest_.size(); }
  // Everything was taken and nothing was missing.
  bool finished() const { return !failed_ && rest_.empty(); }

 private:
  bool fail() {
    failed_ = true;
    return false;
  }
  Bytes rest_;
  bool failed_ = false;
};

}  // namespace localproxy
