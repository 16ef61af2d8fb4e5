#include "tls/error.h"

#include <openssl/err.h>
#include <openssl/sslerr.h>

namespace localproxy::tls {
namespace {

struct Words {
  int reason;
  const char* text;
};

// Errors that OpenSSL describes less clearly.
constexpr Words kWords[] = {
    {SSL_R_WRONG_VERSION_NUMBER, "the other side does not speak TLS; is the port right?"},
    {SSL_R_HTTP_REQUEST, "the other side does not speak TLS; is the port right?"},
    {SSL_R_PACKET_LENGTH_TOO_LONG, "the other side does not speak TLS; is the port right?"},
    {SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, "the other side demands a client certificate"},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA, "the other side does not know the issuer of the client certificate"},
    {SSL_R_UNSUPPORTED_PROTOCOL,
     "the protocol version of the other side is older than TLS 1.2, or than --tls-min"},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION,
     "the protocol version of the other side is older than TLS 1.2, or than --tls-min"},
};

}  // namespace

std::string openssl_reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  for (const Words& words : kWords) {
    if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == words.reason) return words.text;
  }
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason != nullptr ? reason : "unknown error";
}

}  // namespace localproxy::tls
