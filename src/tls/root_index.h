// Root certificates that stay bytes until a verification asks for their subject.
//
// A handshake needs two or three certificates of the system's 140. OpenSSL takes a fifth of a millisecond to
// make an object of one, nearly all of it for the public key, and the objects were most of the memory of an
// idle process.
#pragma once

#include <openssl/types.h>

#include <map>
#include <string>

#include "base/bytes.h"

namespace localproxy::tls {

class RootIndex {
 public:
  // Lets `store` find what is added here. The store owns the index.
  static RootIndex& attach(X509_STORE* store);
  RootIndex(const RootIndex&) = delete;
  RootIndex& operator=(const RootIndex&) = delete;

  // Adds the certificates of a PEM file. False, with nothing added, unless OpenSSL would read certificates
  // from it and nothing else, each of them intact. X509_STORE_load_file() then decides.
  bool add_file(const std::string& path);
  // Adds the certificates with that subject to the store.
  void load(const X509_NAME* subject);
  // Does so for each certificate that the store has from elsewhere: OpenSSL asks for a subject only when the
  // store has none with it.
  void load_namesakes();

 private:
  explicit RootIndex(X509_STORE* store) : store_(store) {}
  void insert(unsigned long subject, std::string der);

  X509_STORE* const store_;
  std::multimap<unsigned long, std::string> roots_;  // DER, by the hash of the subject
};

}  // namespace localproxy::tls
