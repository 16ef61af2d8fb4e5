// Where the files that libc, its loader and OpenSSL read really are: their usual places may be links to
// anywhere.
#pragma once

#include <string>
#include <vector>

namespace localproxy::sandbox {

// The directories that really hold the files, and those of the links that lead to them: files such as
// resolv.conf are replaced by renaming a new one over the old one. For a directory that does not exist yet,
// the nearest one above it. Where that would be the whole system, or devices, only the file itself.
std::vector<std::string> places_of(const std::vector<std::string>& files);

// What is in a file, up to a limit; "" when it cannot be read.
std::string text_of(const std::string& path);

// The library directories that /etc/ld.so.conf adds to the usual ones.
std::vector<std::string> library_directories();

}  // namespace localproxy::sandbox
