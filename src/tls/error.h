// OpenSSL's error queue in words.
#pragma once

#include <string>

namespace localproxy::tls {

// The reason for the oldest error in the queue, which is then emptied; "unknown error" when there is none.
std::string openssl_reason();

}  // namespace localproxy::tls
