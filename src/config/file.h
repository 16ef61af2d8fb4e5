// Files that are read and written whole, before anything else happens.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"

namespace localproxy::config {

// Everything in the file at path, or of standard input if path is "-"; a Secret because it may hold one.
// More than most bytes are an error. The error begins with what.
Result<Secret> read_file(const std::string& path, size_t most, const std::string& what);

// Replaces the file at path, or makes it.
Result<> write_file(const std::string& path, std::string_view text);

// There is a file at path, and not a pipe, a directory or a device, and every user of the machine may read
// it.
bool readable_by_all(const std::string& path);

// path from the root on, so that it stays right after a change of the working directory.
std::string absolute_path(const std::string& path);

}  // namespace localproxy::config
