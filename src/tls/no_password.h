// For functions that read PEM: OpenSSL asks for the password of an encrypted block at the terminal otherwise.
#pragma once

namespace localproxy::tls {

// A pem_password_cb that has none.
inline int no_password(char*, int, int, void*) {
  return -1;
}

}  // namespace localproxy::tls
