// The last step: the options that were given, turned into a Config whose every field is valid.
#pragma once

#include <string>

#include "base/result.h"
#include "config/config.h"
#include "config/diagnostics.h"
#include "config/option_set.h"
#include "config/settings.h"

namespace localproxy::config {

// given: the options of all places, combined. Reads the files and directories that the options name, and the
// default of --config-dir. Leaves web_proxy unset. state_directory: where the key of the client token is;
// empty: nowhere.
Result<Config> assemble(OptionSet given, const FineSettings& fine, Diagnostics& diagnostics,
                        const std::string& state_directory);

// Only what a sandbox needs; everything else keeps its default. The options need not be enough for a run.
Result<Config> assemble_sandbox(OptionSet given, Diagnostics& diagnostics);

// The same, and what the sandboxes of a run with these options would reach, as far as there are such options.
// No token is needed, and none is read.
Result<Config> assemble_policy(OptionSet given, const FineSettings& fine, Diagnostics& diagnostics);

}  // namespace localproxy::config
