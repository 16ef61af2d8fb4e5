// Lets std::unique_ptr own an object of OpenSSL: std::unique_ptr<X509, FreeWith<X509_free>>.
#pragma once

namespace localproxy::tls {

template <auto Free>
struct FreeWith {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};

}  // namespace localproxy::tls
