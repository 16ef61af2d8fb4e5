// Tokens and the region: whether they are plausible. No error shows any part of a token.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"

namespace localproxy::config {

// Refuses what cannot be an access token, such as one with a line end in it. Refuses the name of a file, too,
// and so looks whether a file of that name exists.
Result<> check_access_token(std::string_view token);

// [a-zA-Z0-9-]{32,128}, as the service defines it.
Result<> check_client_token(std::string_view token);

// A random UUID (RFC 4122, 4.4).
Result<Secret> generate_client_token();

// The access token in the file at path, without the line end after it. "-" is standard input.
Result<Secret> read_token_file(const std::string& path);

// [a-z0-9-]{1,63}. A region is public, so errors show it unless it may be a token.
Result<> check_region(std::string_view region);

}  // namespace localproxy::config
