// Result<T>: the value of an operation, or why the outside world did not let it happen.
//
// Used for everything that a peer, a file, a user or the kernel can cause. A broken invariant of our own is
// not a Result but fatal() (base/log.h). An operation that returns an error has changed none of its outputs.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>

namespace localproxy {

// For callers that act on the kind of an error: the text is for people, and no code parses it. A caller that
// has to recognise one more kind adds a code for it.
enum class ErrorCode : uint8_t {
  kOther,       // no caller has to recognise it
  kSystem,      // a system call failed; number() is its errno
  kUnresolved,  // no address of a host was found
};

class [[nodiscard]] Error {
 public:
  explicit Error(std::string text, ErrorCode code = ErrorCode::kOther, int number = 0)
      : text_(std::move(text)), code_(code), number_(number) {}

  // What went wrong, in words for a person, without a full stop at the end.
  const std::string& text() const { return text_; }
  ErrorCode code() const { return code_; }
  // The errno of ErrorCode::kSystem, for is_exhaustion() (base/exhaustion.h) and the like; otherwise 0.
  int number() const { return number_; }

  // The same error in other words: code and number stay.
  Error reworded(std::string text) const { return Error(std::move(text), code_, number_); }
  // The same error behind "WHAT: ".
  Error about(const std::string& what) const { return reworded(what + ": " + text_); }

 private:
  std::string text_;
  ErrorCode code_;
  int number_;
};

// What an errno means: "No such file or directory", or "Unknown error 123456".
std::string error_text(int error_number);

// ErrorCode::kSystem. "WHAT: ", what the error number says, and what to raise when the kernel has run out of
// something.
Error system_error(const std::string& what, int error_number);

template <typename T = void>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: conversion is the point
  Result(Error error)
      : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: conversion is the point

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // REQUIRES: ok().
  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // REQUIRES: !ok().
  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), ok_(false) {}  // NOLINT: conversion is the point

  bool ok() const { return ok_; }
  explicit operator bool() const { return ok(); }

  // REQUIRES: !ok().
  const Error& error() const { return error_; }

 private:
  Error error_{""};
  bool ok_ = true;
};

}  // namespace localproxy
