#include "tls/error.h"

#include <openssl/err.h>

namespace localproxy::tls {

std::string openssl_reason() {
  const unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason != nullptr ? reason : "unknown error";
}

}  // namespace localproxy::tls
