// A certificate authority with the lifetime of the service, and the server certificates that it signs.
#pragma once

#include <openssl/ssl.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace localproxy::service {

struct FreeContext {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using Context = std::unique_ptr<SSL_CTX, FreeContext>;

// Server contexts by the kind of certificate that they show:
//   good        for localhost, tunnel.test, 127.0.0.1 and ::1
//   wrong-name  by the same authority, for other.test
//   expired     by the same authority, until yesterday
//   untrusted   for the right names, by an unknown authority
class Certificates {
 public:
  // Writes directory/ca.pem, directory/ca/ca.pem and directory/ca/HASH.0, the name under which OpenSSL looks
  // a certificate up in a directory; and directory/ca-key.pem, with which a test signs a CRL.
  static Result<Certificates> make(const std::string& directory);

  // nullptr: the kind is unknown.
  SSL_CTX* context(std::string_view kind) const;
  std::vector<std::string> kinds() const;
  // For new connections: TLS1_2_VERSION or TLS1_3_VERSION.
  void set_max_version(int version);

 private:
  std::map<std::string, Context, std::less<>> contexts_;
};

}  // namespace localproxy::service
