// argv, taken apart: which options it gives, and their values as they were written.
#pragma once

#include <string>

#include "base/result.h"
#include "config/layer.h"
#include "config/notes.h"

namespace localproxy::config {

struct Arguments {
  Layer layer;
  bool help = false;  // help and version win over everything else, errors included
  bool version = false;
  Notes notes;
};

// Not for two threads at once: libc parses with variables of its own. Secrets go from argv into the layer
// without passing through any other string.
Result<Arguments> read_arguments(int argc, const char* const* argv);

// The text of --help.
std::string help_text();

}  // namespace localproxy::config
