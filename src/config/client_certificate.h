// The certificate and the key that an https web proxy is shown: files to PEM texts. They are not decoded: the
// monitor, which reads them, has no OpenSSL.
#pragma once

#include <string>

#include "base/result.h"
#include "base/secret.h"
#include "config/config.h"
#include "config/diagnostics.h"
#include "config/option_set.h"

namespace localproxy::config {

// All certificates of a PEM file, one after another.
Result<std::string> read_certificates(const std::string& path);

// The first private key of a PEM file. One that is encrypted is an error: nobody is there to be asked for its
// password.
Result<Secret> read_private_key(const std::string& path);

// Both, from the files that the options name.
Result<ClientCertificate> read_client_certificate(const Value& certificate, const Value& key);

// Wipes the certificate and its key unless the tunnel passes an https web proxy, and warns that they are not
// used. REQUIRES: config.web_proxy is settled.
void keep_for_web_proxy(Config& config, Diagnostics& diagnostics);

}  // namespace localproxy::config
