// What --check prints: the configuration as it was understood, without secrets.
#pragma once

#include <string>

#include "config/config.h"

namespace localproxy::config {

// One "name: value" line each, in a fixed order.
std::string describe(const Config& config);

}  // namespace localproxy::config
