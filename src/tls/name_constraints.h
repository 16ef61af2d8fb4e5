// Name constraints (RFC 5280, 4.2.1.10) for the name of the host itself.
//
// OpenSSL compares them with the names in the certificate. A wildcard there is no name below an excluded
// subtree, but matches hosts that are: "*.example.com" with "bad.example.com" excluded.
#pragma once

#include <string>

struct x509_store_ctx_st;

namespace localproxy::tls {

// X509_V_OK if every authority of the verified chain may certify that host name, otherwise the error.
int check_name_constraints(x509_store_ctx_st* verification, const std::string& host);

}  // namespace localproxy::tls
