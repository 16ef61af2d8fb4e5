// Writes the head of a request that holds secrets, into memory that is reserved once and never outgrown: a
// string that grows leaves a copy of what it held behind.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/limits.h"
#include "base/result.h"
#include "base/secret.h"

namespace localproxy::wire {

class RequestWriter {
 public:
  // what: the request in the words of an error, "upgrade request".
  explicit RequestWriter(std::string_view what) : what_(what) { text_.reserve(limits::kMaxUpgradeRequest); }
  ~RequestWriter() { wipe(text_); }
  RequestWriter(const RequestWriter&) = delete;
  RequestWriter& operator=(const RequestWriter&) = delete;

  // extra: bytes that are allowed in value besides visible ASCII; forbidden: those of it that are not.
  void value(std::string_view what, std::string_view value, std::string_view extra = "",
             std::string_view forbidden = "") {
    const auto allowed = [&](char c) {
      const bool visible = c > ' ' && c < 0x7f;
      return visible ? forbidden.find(c) == forbidden.npos : extra.find(c) != extra.npos;
    };
    if (value.empty()) return fail(std::string(what) + " is empty");
    const auto bad = std::find_if_not(value.begin(), value.end(), allowed);
    if (bad == value.end()) return literal(value);
    fail(std::string(what) + " has a byte that a request cannot carry, at position " +
         std::to_string(bad - value.begin() + 1));
  }
  void literal(std::string_view text) {
    if (error_) return;
    if (text.size() <= limits::kMaxUpgradeRequest - text_.size()) {
      text_ += text;
    } else {
      fail(std::string(what_) + " of more than " + std::to_string(limits::kMaxUpgradeRequest) + " bytes");
    }
  }
  // The request, or the first failure.
  Result<std::string> finish() {
    if (error_) return *error_;
    return Result<std::string>(std::move(text_));
  }

 private:
  void fail(std::string text) {
    if (!error_) error_.emplace(std::move(text));
  }
  std::string_view what_;
  std::string text_;
  std::optional<Error> error_;
};

}  // namespace localproxy::wire
