// The environment: how variables are looked up, and which options they set.
#pragma once

#include "config/option_set.h"

namespace localproxy::config {

// The environment as a lookup, so that a test can give its own. Null: not set.
using Environment = const char* (*)(const char* name);

// Null for an empty variable, too: units and scripts that blank a variable mean to unset it.
inline const char* look_up(Environment environment, const char* name) {
  const char* text = environment(name);
  return text != nullptr && *text != '\0' ? text : nullptr;
}

// The options that variables set and, with lower precedence, systemd's credential "access-token", if it
// exists.
OptionSet read_variables(Environment environment);

}  // namespace localproxy::config
