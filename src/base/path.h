// Paths: what is at one, and where the symbolic links on the way to it lead.
#pragma once

#include <sys/stat.h>

#include <string>
#include <vector>

namespace localproxy {

// There is a file at path, or a link to one, and not a pipe, a directory or a device. Inline, so that what
// follows links below is not linked into programs that may not.
inline bool is_regular_file(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

// Where an absolute path leads: itself, then what each link on the way points to, the last of which need not
// be there. Directories are the real ones wherever they are there. Ends early when links go round.
std::vector<std::string> link_chain(const std::string& path);

// The directory that a path is in: "/a" of "/a/b", "/" of "/a". REQUIRES: an absolute path.
std::string directory_of(const std::string& path);

}  // namespace localproxy
