// Encoding and decoding of the fields of an internal message.
//
// A message is a struct with a static member function fields(self) that ties its members together; this
// header encodes and decodes that tie. Integers have a fixed width and network byte order; texts have a
// length in front and a bound in their type. A decoder consumes its input exactly and refuses values that are
// out of bounds.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/log.h"
#include "base/secret.h"

namespace localproxy::ipc {

// A text of at most Most bytes.
template <size_t Most>
struct Text {
  static_assert(Most <= UINT16_MAX);
  std::string value;

  Text() = default;
  // Cuts a text that is too long, visibly. A caller that must not lose anything checks the length first.
  Text(std::string_view text) : value(text.substr(0, Most)) {  // NOLINT: conversion is the point
    static constexpr std::string_view kCut = "...";
    if (text.size() <= Most) return;
    static_assert(Most > kCut.size());
    value.replace(Most - kCut.size(), kCut.size(), kCut);
  }
  Text(const std::string& text) : Text(std::string_view(text)) {}  // NOLINT: conversion is the point
  Text(const char* text) : Text(std::string_view(text)) {}         // NOLINT: conversion is the point
};

// A text of at most Most bytes that is wiped.
template <size_t Most>
struct SecretText {
  static_assert(Most <= UINT16_MAX);
  Secret value;
};

// At most Count texts of at most Most bytes each.
template <size_t Count, size_t Most>
struct TextList {
  static_assert(Count <= UINT16_MAX && Most <= UINT16_MAX);
  std::vector<std::string> value;
};

// ---- sizes ----

template <typename T>
struct FieldSize;
template <std::unsigned_integral T>
struct FieldSize<T> {
  static constexpr size_t kLeast = sizeof(T), kMost = sizeof(T);
};
template <typename T>
requires std::is_enum_v<T>
struct FieldSize<T> : FieldSize<std::underlying_type_t<T>> {
};
template <size_t Most>
struct FieldSize<Text<Most>> {
  static constexpr size_t kLeast = 2, kMost = 2 + Most;
};
template <size_t Most>
struct FieldSize<SecretText<Most>> : FieldSize<Text<Most>> {};
template <size_t Count, size_t Most>
struct FieldSize<TextList<Count, Most>> {
  static constexpr size_t kLeast = 2, kMost = 2 + Count * (2 + Most);
};

template <typename Tuple>
struct TupleSize;
template <typename... Fields>
struct TupleSize<std::tuple<Fields&...>> {
  static constexpr size_t kLeast = (size_t{0} + ... + FieldSize<Fields>::kLeast);
  static constexpr size_t kMost = (size_t{0} + ... + FieldSize<Fields>::kMost);
  static constexpr uint32_t kLayout = [] {
    uint32_t layout = 0;
    ((layout = layout * 31 + static_cast<uint32_t>(FieldSize<Fields>::kLeast * 7 + FieldSize<Fields>::kMost)),
     ...);
    return layout;
  }();
};

template <typename M>
using Fields = decltype(M::fields(std::declval<M&>()));

// ---- encoding ----

template <std::unsigned_integral T>
void put(std::string& out, T value) {
  const size_t at = out.size();
  out.resize(at + sizeof(T));
  store_be(reinterpret_cast<uint8_t*>(out.data()) + at, value);
}
inline void put(std::string& out, bool value) {
  put(out, static_cast<uint8_t>(value));
}
template <typename T>
requires std::is_enum_v<T>
void put(std::string& out, T value) {
  put(out, static_cast<std::underlying_type_t<T>>(value));
}
inline void put_text(std::string& out, std::string_view text, size_t most) {
  check(text.size() <= most, "an internal message has a text that is too long");
  put(out, static_cast<uint16_t>(text.size()));
  out += text;
}
template <size_t Most>
void put(std::string& out, const Text<Most>& text) {
  put_text(out, text.value, Most);
}
template <size_t Most>
void put(std::string& out, const SecretText<Most>& text) {
  put_text(out, text.value.reveal(), Most);
}
template <size_t Count, size_t Most>
void put(std::string& out, const TextList<Count, Most>& list) {
  check(list.value.size() <= Count, "an internal message has a list that is too long");
  put(out, static_cast<uint16_t>(list.value.size()));
  for (const std::string& text : list.value)
    put_text(out, text, Most);
}

// Appends the fields of message. Reserves the buffer first: growing it would leave part of a secret behind.
template <typename M>
void encode_fields(const M& message, std::string& out) {
  out.reserve(out.size() + TupleSize<Fields<M>>::kMost);
  std::apply([&out](const auto&... field) { (put(out, field), ...); }, M::fields(const_cast<M&>(message)));
}

// ---- decoding ----

template <std::unsigned_integral T>
bool get(ByteReader& in, T& value) {
  return in.take(value);
}
inline bool get(ByteReader& in, bool& value) {
  uint8_t number = 0;
  if (!in.take(number) || number > 1) return false;
  value = number != 0;
  return true;
}
template <typename T>
requires std::is_enum_v<T>
bool get(ByteReader& in, T& value) {
  std::underlying_type_t<T> number{};
  if (!in.take(number) || number > static_cast<std::underlying_type_t<T>>(T::kLast)) return false;
  value = static_cast<T>(number);
  return true;
}
inline bool get_text(ByteReader& in, std::string_view& text, size_t most) {
  uint16_t size = 0;
  Bytes bytes;
  if (!in.take(size) || size > most || !in.take(bytes, size)) return false;
  text = as_text(bytes);
  return true;
}
template <size_t Most>
bool get(ByteReader& in, Text<Most>& text) {
  std::string_view view;
  if (!get_text(in, view, Most)) return false;
  text.value = view;
  return true;
}
template <size_t Most>
bool get(ByteReader& in, SecretText<Most>& text) {
  std::string_view view;
  if (!get_text(in, view, Most)) return false;
  text.value.assign(view);
  return true;
}
template <size_t Count, size_t Most>
bool get(ByteReader& in, TextList<Count, Most>& list) {
  uint16_t count = 0;
  if (!in.take(count) || count > Count) return false;
  for (uint16_t i = 0; i < count; ++i) {
    std::string_view view;
    if (!get_text(in, view, Most)) return false;
    list.value.emplace_back(view);
  }
  return true;
}

// False unless bytes are exactly the fields of message.
template <typename M>
bool decode_fields(Bytes bytes, M& message) {
  ByteReader in(bytes);
  const bool all = std::apply([&in](auto&... field) { return (get(in, field) && ...); }, M::fields(message));
  return all && in.finished();
}

}  // namespace localproxy::ipc
