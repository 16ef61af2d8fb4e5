// Why a certificate was not accepted: which one, what is wrong with it, and what to do.
#pragma once

#include <string>

struct x509_store_ctx_st;

namespace localproxy::tls {

class CertificateError {
 public:
  // Remembers the certificate that a verification has just failed at. OpenSSL forgets it with the handshake.
  void record(x509_store_ctx_st* verification);
  // One line, bounded, but with whatever bytes the certificate has. host: whose it should be; named_by: what
  // the host was named with, "-e". REQUIRES: record().
  std::string text(const std::string& host, const std::string& named_by) const;
  bool recorded() const { return error_ != 0; }

 private:
  int error_ = 0;
  int depth_ = 0;  // 0: the server's own; above: one that it is issued by
  std::string subject_;
  std::string issuer_;
  std::string from_, until_;  // its time, in words
  std::string names_;         // whom it is for, with commas
  std::string crl_until_;     // when a next CRL is due, in words
};

}  // namespace localproxy::tls
