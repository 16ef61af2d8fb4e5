// Where root certificates are read from: options, and the variables of OpenSSL.
#pragma once

#include <string>

#include "base/result.h"
#include "config/config.h"
#include "config/diagnostics.h"
#include "config/environment.h"

namespace localproxy::config {

// The absolute path of a directory, or of a plain file, that is there. net reads it for each tunnel
// connection, so a pipe will not do.
Result<std::string> certificate_directory(const std::string& path);
Result<std::string> certificate_file(const std::string& path);

// SSL_CERT_FILE and SSL_CERT_DIR. As with OpenSSL, what they name need not be there.
Result<> read_certificate_variables(Environment environment, Config& config, Diagnostics& diagnostics);

// Whether anybody is verified.
bool needs_roots(const Config& config);

}  // namespace localproxy::config
