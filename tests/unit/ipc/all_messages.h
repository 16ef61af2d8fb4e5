// Every message of the table, with values for its fields.
#pragma once

#include <algorithm>
#include <string>
#include <tuple>

#include "ipc/messages.h"

namespace localproxy::ipc::test {

template <typename... M, typename Visit>
void for_each_of(Visit visit) {
  (visit(M()), ...);
}
// Calls visit(M()) for every type of message, in the order of their numbers.
template <typename Visit>
void for_all_messages(Visit visit) {
  for_each_of<Setup, Ready, LogLine, Stop, Grant, Up, Services, Down, Listener, Target, Peer, Accepting, Dial,
              DialCancel, Dialed, DialFailed, Count, Counters, Accepted, Opening, Failed, Open, Finish, Reset,
              Lookup, Addresses, LookupFailed, Stdio, StdioEnded, PassFd, Launch, Kill, Exited, Ping, Pong>(
      visit);
}

enum class Size { kLeast, kSome, kMost };

inline std::string text_of(Size size, size_t most) {
  const size_t length = size == Size::kLeast ? 0 : size == Size::kSome ? std::min<size_t>(5, most) : most;
  std::string text(length, '\0');
  // Every byte is allowed, including zero.
  for (size_t i = 0; i < length; ++i)
    text[i] = static_cast<char>(i);
  return text;
}

template <std::unsigned_integral T>
void fill(T& value, Size size) {
  value = size == Size::kLeast  ? T{0}
          : size == Size::kMost ? T(~T{0})
                                : static_cast<T>(0x0102030405060708ULL);
}
inline void fill(bool& value, Size size) {
  value = size != Size::kLeast;
}
template <typename T>
requires std::is_enum_v<T>
void fill(T& value, Size size) {
  value = size == Size::kLeast ? T{} : T::kLast;
}
template <size_t Most>
void fill(Text<Most>& text, Size size) {
  text.value = text_of(size, Most);
}
template <size_t Most>
void fill(SecretText<Most>& text, Size size) {
  text.value.assign(text_of(size, Most));
}
template <size_t Most, size_t Each>
void fill(TextList<Most, Each>& list, Size size) {
  const size_t count = size == Size::kLeast ? 0 : size == Size::kSome ? 2 : Most;
  list.value.assign(count, text_of(size, Each));
}

template <typename M>
M filled(Size size) {
  M message;
  std::apply([size](auto&... field) { (fill(field, size), ...); }, M::fields(message));
  return message;
}

template <typename T>
bool same(const T& a, const T& b) {
  return a == b;
}
template <size_t Most>
bool same(const Text<Most>& a, const Text<Most>& b) {
  return a.value == b.value;
}
template <size_t Most>
bool same(const SecretText<Most>& a, const SecretText<Most>& b) {
  return a.value.reveal() == b.value.reveal();
}
template <size_t Most, size_t Each>
bool same(const TextList<Most, Each>& a, const TextList<Most, Each>& b) {
  return a.value == b.value;
}

template <typename M, size_t... I>
bool same_fields(M& a, M& b, std::index_sequence<I...>) {
  [[maybe_unused]] const auto ours = M::fields(a);
  [[maybe_unused]] const auto theirs = M::fields(b);
  return (same(std::get<I>(ours), std::get<I>(theirs)) && ...);
}
template <typename M>
bool same_message(M& a, M& b) {
  return same_fields(a, b, std::make_index_sequence<std::tuple_size_v<Fields<M>>>());
}

template <typename M>
std::string encode(const M& message) {
  std::string out;
  encode_fields(message, out);
  return out;
}

}  // namespace localproxy::ipc::test
