// The last step: what was said about the options, turned into a Config whose every field is valid.
#pragma once

#include "base/result.h"
#include "config/config.h"
#include "config/layer.h"
#include "config/notes.h"
#include "config/settings.h"

namespace localproxy::config {

// layer: everything that was said, by precedence. Adds to notes what the user should know. Reads the files
// and directories that the options name, and those of --config-dir's default. web_proxy stays unset.
Result<Config> assemble(Layer layer, const FineSettings& fine, Notes& notes);

// Only what a sandbox needs, of options that need not be enough for a run; the rest is as it is by default.
Result<Config> assemble_sandbox(Layer layer, Notes& notes);

}  // namespace localproxy::config
