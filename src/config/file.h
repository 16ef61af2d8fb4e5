// Files that are read and written whole, before anything else happens.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"

namespace localproxy::config {

// The content of the file at path, or of standard input if path is "-". A Secret, because it may hold one.
// More than `most` bytes are an error. Errors begin with `what`.
Result<Secret> read_file(const std::string& path, size_t most, const std::string& what);

// Creates the file at path, or replaces its content.
Result<> write_file(const std::string& path, std::string_view text);

// Whether path is a plain file, and not a pipe, a directory or a device, that every user of the machine may
// read.
bool readable_by_all(const std::string& path);

// Whether nobody but this user and root can change what is at path, and what a link there leads to. A group
// counts as others, even one that this user is alone in (OpenSSH does the same).
bool only_ours(const std::string& path);

// path as an absolute path, so that it stays right after a change of the working directory.
std::string absolute_path(const std::string& path);

}  // namespace localproxy::config
