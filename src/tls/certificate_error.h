// Why a certificate was not accepted: which one, what is wrong with it, and what to do.
#pragma once

#include <string>

struct x509_st;
struct x509_store_ctx_st;

namespace localproxy::tls {

// SHA-256 of a certificate's public key with its algorithm (SubjectPublicKeyInfo), as --pin-sha256 and
// curl(1) have it: 32 bytes.
std::string key_digest(const x509_st* certificate);

class CertificateError {
 public:
  // Remembers the certificate that a verification has just failed at. OpenSSL forgets it with the handshake.
  void record(x509_store_ctx_st* verification);
  // One line of bounded length, which may have any bytes of the certificate. host: whose certificate was
  // expected; named_by: the option that named the host, such as "-e". REQUIRES: record().
  std::string text(const std::string& host, const std::string& named_by) const;
  bool recorded() const { return error_ != 0; }
  // The line for a certificate whose key, with that digest, is not one of those that are wanted.
  static std::string wrong_key(const x509_st* certificate, const std::string& digest,
                               const std::string& host);

 private:
  int error_ = 0;
  int depth_ = 0;  // 0: the server's own; else one further up the chain
  std::string subject_;
  std::string issuer_;
  std::string from_, until_;  // its validity, as text
  std::string names_;         // its host names, separated by commas
  std::string crl_until_;     // when the next CRL is due, as text
};

}  // namespace localproxy::tls
