// Messages to the user from reading the configuration: collected while there is no log yet, logged later.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/log.h"

namespace localproxy::config {

struct Diagnostic {
  LogLevel level;
  std::string text;  // without a secret
};

class Diagnostics {
 public:
  // Something that the user may want to change.
  void warning(std::string text) { diagnostics_.push_back({LogLevel::kWarning, std::move(text)}); }
  // Something that needs no action.
  void debug(std::string text) { diagnostics_.push_back({LogLevel::kDebug, std::move(text)}); }
  // Takes over the diagnostics of a file, with its name in front.
  void add_about(const std::string& file, Diagnostics&& diagnostics) {
    for (Diagnostic& diagnostic : diagnostics.diagnostics_)
      diagnostics_.push_back({diagnostic.level, file + ": " + diagnostic.text});
  }
  const std::vector<Diagnostic>& all() const { return diagnostics_; }

 private:
  std::vector<Diagnostic> diagnostics_;
};

}  // namespace localproxy::config
