// Where root certificates come from: options, and the variables of OpenSSL.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/config.h"
#include "config/diagnostics.h"
#include "config/environment.h"

namespace localproxy::config {

// The absolute path of an existing directory or plain file. net reads it for each tunnel connection, so a
// pipe will not do.
Result<std::string> certificate_directory(const std::string& path);
Result<std::string> certificate_file(const std::string& path);

// SHA-256 sums of public keys, 32 bytes each, from sha256//BASE64 entries with ';' between them.
Result<std::vector<std::string>> parse_pins(std::string_view text);

// SSL_CERT_FILE and SSL_CERT_DIR. As with OpenSSL, what they name need not exist.
Result<> read_certificate_variables(Environment environment, Config& config, Diagnostics& diagnostics);

// Whether anything is verified, so that root certificates are needed.
bool needs_roots(const Config& config);

}  // namespace localproxy::config
