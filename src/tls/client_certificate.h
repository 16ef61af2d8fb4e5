// The certificate and the key by which a client says who it is.
#pragma once

#include <string_view>

#include "base/result.h"

struct ssl_st;

namespace localproxy::tls {

// Lets a connection show a certificate if the server asks for one. chain: PEM, the certificate itself first;
// key: PEM, not encrypted. Nothing of the key stays but in `ssl`.
Result<> use_client_certificate(ssl_st* ssl, std::string_view chain, std::string_view key);

}  // namespace localproxy::tls
