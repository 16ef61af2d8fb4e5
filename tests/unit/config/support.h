// Shared by the configuration tests: command lines and environments made from literals, and temporary files.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/command_line.h"

namespace localproxy::config::test {

using Words = std::vector<std::string>;
using Variables = std::map<std::string, std::string>;

// A valid access token and a valid client token.
inline constexpr const char* kToken = "AQGAAXhLJeSVxMTIzNDU2Nzg5";
inline constexpr const char* kClientToken = "01234567-89ab-cdef-0123-456789abcdef";

// Parses `localproxy WORDS...` with these variables.
Result<Outcome> parse(const Words& words, const Variables& variables = {});

// The same, for command lines that must run, print, or fail. Any other outcome fails the test and returns
// an empty value.
Run run_of(const Words& words, const Variables& variables = {});
Config config_of(const Words& words, const Variables& variables = {});
std::string printed_by(const Words& words, const Variables& variables = {});
std::string error_of(const Words& words, const Variables& variables = {});

// `-t TOKEN -r us-east-1` and then words.
Words with_basics(const Words& words);

bool contains(const std::vector<std::string>& texts, const std::string& part);

// The texts of the diagnostics of a level.
std::vector<std::string> texts_of(const Diagnostics& diagnostics, LogLevel level);
std::vector<std::string> warnings_of(const Diagnostics& diagnostics);

// A temporary directory, removed with everything in it; on request it is also the working directory.
class TemporaryDirectory {
 public:
  enum class Enter { kNo, kYes };
  explicit TemporaryDirectory(Enter enter = Enter::kNo);
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  // The path of name in the directory.
  std::string path(const std::string& name = "") const;
  // Writes a file, and makes the directories that it is in. Gives its path.
  std::string write(const std::string& name, const std::string& content) const;

 private:
  std::string path_;
  std::string before_;
};

}  // namespace localproxy::config::test
