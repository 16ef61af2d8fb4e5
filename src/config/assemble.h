// The last step: the options that were given, turned into a Config whose every field is valid.
#pragma once

#include "base/result.h"
#include "config/config.h"
#include "config/diagnostics.h"
#include "config/option_set.h"
#include "config/settings.h"

namespace localproxy::config {

// given: by all places together, the higher ones first. Reads the files and directories that the options
// name, and those of --config-dir's default. web_proxy stays unset.
Result<Config> assemble(OptionSet given, const FineSettings& fine, Diagnostics& diagnostics);

// Only what a sandbox needs, of options that need not be enough for a run; the rest is as it is by default.
Result<Config> assemble_sandbox(OptionSet given, Diagnostics& diagnostics);

}  // namespace localproxy::config
