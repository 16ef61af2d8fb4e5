// The options that one place gives (the command line, a file, the environment), and how such places are
// combined.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "base/secret.h"
#include "config/options.h"

namespace localproxy::config {

struct Value {
  bool given = false;
  std::string origin;              // as an error text names it: "--region", "AWSIOT_TUNNEL_REGION"
  std::vector<std::string> texts;  // one, or several for Shape::kList; none for a flag or a secret
  Secret secret;                   // Shape::kSecret
};

class OptionSet {
 public:
  const Value& operator[](OptionId id) const { return values_[static_cast<size_t>(id)]; }
  Value& operator[](OptionId id) { return values_[static_cast<size_t>(id)]; }
  bool has(OptionId id) const { return (*this)[id].given; }
  // REQUIRES: has(id) and a shape with a text.
  const std::string& text(OptionId id) const { return (*this)[id].texts.front(); }

  void add(OptionId id, std::string origin, std::string text);
  void set_flag(OptionId id, std::string origin);
  void set_secret(OptionId id, std::string origin, Secret secret);

  // Takes from a place of lower precedence the options that are neither given nor settled here.
  void fill_from(OptionSet&& lower);

 private:
  std::array<Value, kOptionCount> values_;
};

}  // namespace localproxy::config
