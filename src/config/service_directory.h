// The directory of --config-dir: files of "service = address" lines.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "config/config.h"
#include "config/diagnostics.h"

namespace localproxy::config {

inline constexpr const char* kDefaultServiceDirectory = "./config";

// What all files below the directory say, in the order of their names; of several addresses of a service the
// first counts. Files and lines that are not of that kind are left out, with a warning.
Result<std::vector<ServiceMapping>> read_service_directory(const std::string& path, Mode mode,
                                                           Diagnostics& diagnostics);

// kDefaultServiceDirectory, if it is there and belongs to this user or to root, and nobody else may write to
// it: what is read without having been asked for must not come from strangers. Otherwise nothing.
std::vector<ServiceMapping> read_default_service_directory(Mode mode, Diagnostics& diagnostics);

}  // namespace localproxy::config
