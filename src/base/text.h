// Taking text apart and putting it together: what more than one parser needs.
//
// Nothing here depends on the locale: only ASCII letters have a case, and only ASCII digits are digits.
#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace localproxy {

inline constexpr std::string_view kAsciiDigits = "0123456789";
inline constexpr std::string_view kAsciiAlphanumeric =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

// text without the blanks at its start and end.
std::string_view trim(std::string_view text, std::string_view blanks = " \t");

// Whether every byte of text is one of bytes, as it is for an empty text.
bool consists_of(std::string_view text, std::string_view bytes);

char to_lower(char byte);
bool equal_ignoring_case(std::string_view one, std::string_view other);

// [a-zA-Z0-9:_-]{1,128}, as the service defines it.
bool is_service_id(std::string_view text);

struct Utf8Character {
  uint32_t code;
  size_t size;  // bytes
};

// The character at the start of text (RFC 3629, 4). Empty if text does not start with a well-formed one.
std::optional<Utf8Character> first_utf8_character(std::string_view text);
bool is_utf8(std::string_view text);

// The whole text as a number: digits, after a '-' if T is signed, no blanks. Empty if it is not a number, or
// one that T cannot hold.
template <std::integral T>
std::optional<T> parse_number(std::string_view text, int base = 10) {
  T value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, base);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

// 1234567 as "1,234,567".
std::string grouped(uint64_t number);

// "ONE, TWO, THREE": the parts, each converted by text_of(), with a separator between them.
template <typename Parts, typename TextOf = std::identity>
std::string join(const Parts& parts, std::string_view separator = ", ", TextOf text_of = {}) {
  std::string text;
  bool first = true;
  for (const auto& part : parts) {
    if (!first) text += separator;
    first = false;
    text += text_of(part);
  }
  return text;
}

}  // namespace localproxy
