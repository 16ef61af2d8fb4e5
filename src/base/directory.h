// What is in a directory. Not in path.h, so that only programs that list directories contain opendir().
#pragma once

#include <string>
#include <vector>

namespace localproxy {

// The files of a directory, as absolute paths; none when it cannot be read. REQUIRES: an absolute path.
std::vector<std::string> files_in(const std::string& directory);

}  // namespace localproxy
