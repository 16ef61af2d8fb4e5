// Files of "name = value" lines, as --config and --config-dir read them, and the options in the file of
// --config.
//
// A line is empty, a comment that starts with '#' or ';', a heading in brackets, or an entry. Blanks around
// names and values are ignored, and a '#' after a blank ends an entry's value. Quotes mean nothing.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/diagnostics.h"
#include "config/option_set.h"

namespace localproxy::config {

struct IniEntry {
  size_t line;               // from 1 on
  std::string_view section;  // of the heading above it; empty before the first
  std::string_view name;     // not empty
  std::string_view value;
};

// The views point into text. An error begins with "line N" and shows nothing of the line, which may hold a
// token.
Result<std::vector<IniEntry>> parse_ini(std::string_view text);

// The file of --config: each line is the long name of an option and its value; a flag's value is true or
// false.
Result<OptionSet> read_config_file(const std::string& path, Diagnostics& diagnostics);

}  // namespace localproxy::config
