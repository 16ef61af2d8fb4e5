// The environment as a place that says something about the options.
#pragma once

#include "config/command_line.h"
#include "config/layer.h"

namespace localproxy::config {

// An empty variable counts as one that is not set. Looks whether systemd's credential "access-token" exists.
Layer read_variables(Environment environment);

}  // namespace localproxy::config
