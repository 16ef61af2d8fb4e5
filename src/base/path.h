// Paths: what is at one, and where the symbolic links on the way to it lead.
#pragma once

#include <sys/stat.h>

#include <string>
#include <vector>

namespace localproxy {

// Whether path is a regular file or a link to one, and not a pipe, a directory or a device. Inline, so that
// programs that may not follow links do not contain the code below that does.
inline bool is_regular_file(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

// Where an absolute path leads: the path itself, then the target of each link on the way, the last of which
// need not exist. Directories that exist have their real names. Ends early when the links form a loop.
std::vector<std::string> link_chain(const std::string& path);

// The directory that a path is in: "/a" for "/a/b", "/" for "/a". REQUIRES: an absolute path.
std::string directory_of(const std::string& path);

}  // namespace localproxy
