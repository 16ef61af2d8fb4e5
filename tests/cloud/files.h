// The files that the service leaves for its clients.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/result.h"

namespace localproxy::service {

// Creates the directory with mode 0700, or sets that mode on an existing one.
Result<> make_directory(const std::string& path);

// Writes atomically: a reader finds either the old or the complete new content.
Result<> write_atomically(const std::string& path, std::string_view content, mode_t mode);

// Random bytes as URL-safe base64 without padding.
std::string random_token(size_t bytes);

// Random bytes as lower-case hexadecimal digits.
std::string random_hex(size_t bytes);

}  // namespace localproxy::service
