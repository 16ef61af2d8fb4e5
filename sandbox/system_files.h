// Where the files really are that libc, its loader and OpenSSL read: a system may have links in their usual
// places, to anywhere.
#pragma once

#include <string>
#include <vector>

namespace localproxy::sandbox {

// The directories that files are really in, and those of the links that lead there: files such as resolv.conf
// are renewed by renaming a new one over the old one. Of what is not there yet, the nearest directory above
// it that is. Where that would be the whole system, or devices, only the file.
std::vector<std::string> places_of(const std::vector<std::string>& files);

// Directories of libraries, as /etc/ld.so.conf has them besides the usual ones.
std::vector<std::string> library_directories();

}  // namespace localproxy::sandbox
