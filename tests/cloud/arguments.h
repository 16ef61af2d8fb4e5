// The arguments of one command on the control socket, taken one by one. A missing argument, a wrong type or a
// leftover argument is an error.
#pragma once

#include <nlohmann/json.hpp>

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "side.h"

namespace localproxy::service {

class Arguments {
 public:
  // REQUIRES: object is a JSON object.
  explicit Arguments(const nlohmann::json& object) : object_(object) {}

  bool has(const std::string& name);
  std::string text(const std::string& name);
  std::string text(const std::string& name, const std::string& otherwise);
  uint64_t number(const std::string& name, uint64_t most);
  uint64_t number(const std::string& name, uint64_t most, uint64_t otherwise);
  bool truth(const std::string& name, bool otherwise);
  std::vector<std::string> texts(const std::string& name);
  Side side();
  std::optional<Side> side_if_given();
  // Bytes given as hexadecimal digits.
  std::vector<uint8_t> hex(const std::string& name);

  void fail(const std::string& why) {
    if (error_.empty()) error_ = why;
  }
  bool failed() const { return !error_.empty(); }
  // The error; empty when all arguments were present, valid, and taken.
  std::string finish();

 private:
  const nlohmann::json* take(const std::string& name);

  const nlohmann::json& object_;
  std::set<std::string> taken_;
  std::string error_;
};

}  // namespace localproxy::service
