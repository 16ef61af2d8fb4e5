// The command line and the environment, turned into a Config or into the words that say why not.
#pragma once

#include <string>
#include <variant>

#include "base/result.h"
#include "config/config.h"
#include "config/diagnostics.h"
#include "config/environment.h"

namespace localproxy::config {

// What to do instead of running: text for standard output, then exit status 0.
struct Print {
  std::string text;
};

enum class Purpose : uint8_t {
  kRun,
  kCheck,          // --check: say what would be done, and end
  kSandboxReport,  // --sandbox-report: enter the sandboxes, say what was reached, and end
};

struct Run {
  Config config;            // of kSandboxReport: only what a sandbox needs
  Diagnostics diagnostics;  // for the log, once it is there
  Purpose purpose = Purpose::kRun;
};

using Outcome = std::variant<Print, Run>;

// Parses argv (argv[0] included) and the variables. An error is one line for standard error; the caller adds
// kTryHelp and ends with ExitStatus::kUsage. Touches no file but those that the options and the variables
// name, ./config, and what an access token could be the name of. Not for two threads at once: libc parses
// with variables of its own.
Result<Outcome> parse_command_line(int argc, const char* const* argv, Environment environment);

inline constexpr const char* kTryHelp = "Try 'localproxy --help' for a list of options.";

// Overwrites the arguments and the environment variables that may hold a token, in the process's own memory,
// so that /proc/PID/cmdline and /proc/PID/environ do not show them, and what parsing has left on the stack.
// Afterwards argv holds only argv[0], and environ none of these variables.
void scrub_arguments(int argc, char** argv, char** environ);

}  // namespace localproxy::config
