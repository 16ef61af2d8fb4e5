// The file of --config as a place that says something about the options.
#pragma once

#include <string>

#include "base/result.h"
#include "config/layer.h"
#include "config/notes.h"

namespace localproxy::config {

// Each line is the long name of an option and its value; a flag's value is true or false.
Result<Layer> read_config_file(const std::string& path, Notes& notes);

}  // namespace localproxy::config
