// Paths: what is at one, and where the symbolic links on the way to it lead.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace localproxy {

// Whether path is a regular file or a link to one, and not a pipe, a directory or a device. Inline, so that
// programs that may not follow links do not contain the code below that does.
inline bool is_regular_file(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

// The kernel follows no more symbolic links on the way to a file (path_resolution(7)).
inline constexpr size_t kMostLinks = 40;

// Follows links one by one. Remembers the real names of directories for as long as it lives, since a thousand
// links are often in one.
class Links {
 public:
  // An absolute path, with the real name of its directory in it if that exists.
  std::string real(const std::string& path);
  // Where the link at a path leads, as real() returns it; "": there is no link. REQUIRES: a path from here.
  std::string target(const std::string& path);

 private:
  std::map<std::string, std::string> directories_;  // to real names; "": it does not exist
};

// Where an absolute path leads: the path itself, then the target of each link on the way, the last of which
// need not exist. Directories that exist have their real names. Ends early when the links form a loop.
std::vector<std::string> link_chain(const std::string& path);

// The directory that a path is in: "/a" for "/a/b", "/" for "/a". REQUIRES: an absolute path.
std::string directory_of(const std::string& path);

}  // namespace localproxy
