// Certificates generated for one run of the tests.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <vector>

#include "tls/free_with.h"

namespace localproxy::tls::test {

using Key = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, FreeWith<X509_free>>;

struct Identity {
  Key key;
  Certificate certificate;

  std::string pem() const {
    BIO* memory = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(memory, certificate.get());
    std::string text(BIO_ctrl_pending(memory), '\0');
    BIO_read(memory, text.data(), static_cast<int>(text.size()));
    BIO_free(memory);
    return text;
  }
  // cipher: null, or encrypted with the password "x".
  std::string key_pem(const EVP_CIPHER* cipher = nullptr) const {
    BIO* memory = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(memory, key.get(), cipher, reinterpret_cast<const unsigned char*>("x"),
                             cipher != nullptr ? 1 : 0, nullptr, nullptr);
    std::string text(BIO_ctrl_pending(memory), '\0');
    BIO_read(memory, text.data(), static_cast<int>(text.size()));
    BIO_free(memory);
    return text;
  }
};

struct Wanted {
  std::string common_name;
  std::string alternative_names = {};  // "DNS:example.com,IP:127.0.0.1"
  bool authority = false;
  long days_from = -1;  // first day of validity, relative to today
  long days_to = 1;
  bool key_ids = false;               // of its key, and of its issuer's
  std::string name_constraints = {};  // "permitted;DNS:example.com"
};

// A certificate signed by `issuer`; null: self-signed.
inline Identity issue(const Wanted& wanted, const Identity* issuer) {
  static long serial = 0;
  Identity made{Key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")), Certificate(X509_new())};
  X509* x509 = made.certificate.get();
  const Identity& by = issuer != nullptr ? *issuer : made;
  X509_set_version(x509, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x509), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(x509), wanted.days_from * 86'400);
  X509_gmtime_adj(X509_getm_notAfter(x509), wanted.days_to * 86'400);
  X509_set_pubkey(x509, made.key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(wanted.common_name.c_str()), -1, -1, 0);
  X509_set_issuer_name(x509, X509_get_subject_name(by.certificate.get()));
  const auto extend = [&](int nid, const std::string& value) {
    X509V3_CTX context{};
    X509V3_set_ctx(&context, by.certificate.get(), x509, nullptr, nullptr, 0);
    std::unique_ptr<X509_EXTENSION, FreeWith<X509_EXTENSION_free>> extension(
        X509V3_EXT_nconf_nid(nullptr, &context, nid, value.c_str()));
    X509_add_ext(x509, extension.get(), -1);
  };
  extend(NID_basic_constraints, wanted.authority ? "critical,CA:TRUE" : "CA:FALSE");
  if (wanted.key_ids) extend(NID_subject_key_identifier, "hash");
  if (wanted.key_ids && issuer != nullptr) extend(NID_authority_key_identifier, "keyid");
  if (!wanted.name_constraints.empty()) extend(NID_name_constraints, "critical," + wanted.name_constraints);
  if (!wanted.alternative_names.empty()) extend(NID_subject_alt_name, wanted.alternative_names);
  X509_sign(x509, by.key.get(), EVP_sha256());
  return made;
}

// An authority's CRL that lists these certificates, as PEM. days_to: days until the next update.
inline std::string crl_of(const Identity& authority, const std::vector<const Identity*>& revoked,
                          long days_to = 1) {
  const std::unique_ptr<X509_CRL, FreeWith<X509_CRL_free>> crl(X509_CRL_new());
  X509_CRL_set_version(crl.get(), 1);
  X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(authority.certificate.get()));
  const std::unique_ptr<ASN1_TIME, FreeWith<ASN1_TIME_free>> from(X509_gmtime_adj(nullptr, -10 * 86'400));
  const std::unique_ptr<ASN1_TIME, FreeWith<ASN1_TIME_free>> to(X509_gmtime_adj(nullptr, days_to * 86'400));
  X509_CRL_set1_lastUpdate(crl.get(), from.get());
  X509_CRL_set1_nextUpdate(crl.get(), to.get());
  for (const Identity* identity : revoked) {
    X509_REVOKED* entry = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(identity->certificate.get()));
    X509_REVOKED_set_revocationDate(entry, from.get());
    X509_CRL_add0_revoked(crl.get(), entry);
  }
  X509_CRL_sign(crl.get(), authority.key.get(), EVP_sha256());
  BIO* memory = BIO_new(BIO_s_mem());
  PEM_write_bio_X509_CRL(memory, crl.get());
  std::string text(BIO_ctrl_pending(memory), '\0');
  BIO_read(memory, text.data(), static_cast<int>(text.size()));
  BIO_free(memory);
  return text;
}

}  // namespace localproxy::tls::test
