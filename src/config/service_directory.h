// The directory of --config-dir: files of "service = address" lines.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "config/config.h"
#include "config/diagnostics.h"

namespace localproxy::config {

inline constexpr const char* kDefaultServiceDirectory = "./config";

// The services in all files below the directory, in the order of the files' names; the first address of a
// service counts. Malformed files and lines are skipped, with a warning.
Result<std::vector<ServiceMapping>> read_service_directory(const std::string& path, Mode mode,
                                                           Diagnostics& diagnostics);

// The same for kDefaultServiceDirectory, if it exists, without anything that others can change (only_ours()
// in config/file.h): what is read without being asked for must not come from strangers.
std::vector<ServiceMapping> read_default_service_directory(Mode mode, Diagnostics& diagnostics);

}  // namespace localproxy::config
