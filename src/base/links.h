// Symbolic links, followed one by one.
#pragma once

#include <string>
#include <vector>

namespace localproxy {

// Where an absolute path leads: itself, then what each link on the way points to, the last of which need not
// be there. Directories are the real ones wherever they are there. Ends early when links go round.
std::vector<std::string> link_chain(const std::string& path);

// The directory that a path is in: "/a" of "/a/b", "/" of "/a". REQUIRES: an absolute path.
std::string directory_of(const std::string& path);

}  // namespace localproxy
