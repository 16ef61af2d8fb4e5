// The command line and the environment, turned into a Config, or into an error that says why not.
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
  kCheck,          // --check: print what a run would do, and exit
  kSandboxReport,  // --sandbox-report: enter the sandboxes, print what was reached, and exit
  kSandboxPolicy,  // --sandbox-policy: print the rules of the sandboxes, and exit
};

struct Run {
  Config config;            // for kSandboxReport and kSandboxPolicy: only what a sandbox needs
  Diagnostics diagnostics;  // for the log, once there is one
  Purpose purpose = Purpose::kRun;
};

using Outcome = std::variant<Print, Run>;

// Parses argv (argv[0] included) and the variables. An error is one line for standard error; the caller adds
// kTryHelp and ends with ExitStatus::kUsage. Touches only the files that the options and the variables name,
// ./config, and a file that has the access token as its name. Not thread-safe: getopt_long() has global
// state.
Result<Outcome> parse_command_line(int argc, const char* const* argv, Environment environment);

inline constexpr const char* kTryHelp = "Try 'localproxy --help' for a list of options.";

// Overwrites the arguments and the environment variables that may hold a token, in the process's own memory,
// so that /proc/PID/cmdline and /proc/PID/environ do not show them, and what parsing has left on the stack.
// Afterwards argv holds only argv[0], and environ has none of these variables.
void scrub_arguments(int argc, char** argv, char** environ);

}  // namespace localproxy::config
