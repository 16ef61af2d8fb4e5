#include "certificate.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include <array>

#include "base/log.h"
#include "bounds.h"
#include "files.h"

namespace localproxy::service {
namespace {

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct FreeCertificate {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;
using Certificate = std::unique_ptr<X509, FreeCertificate>;

constexpr long kDay = 24 * 60 * 60;
constexpr char kNames[] = "DNS:localhost,DNS:tunnel.test,IP:127.0.0.1,IP:::1";

struct Authority {
  Key key;
  Certificate certificate;
};

Key make_key() {
  Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"));
  check(key != nullptr, "cannot make a P-256 key");
  return key;
}

void add_extension(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  check(extension != nullptr, "cannot make a certificate extension");
  check(X509_add_ext(certificate, extension, -1) == 1, "cannot add a certificate extension");
  X509_EXTENSION_free(extension);
}

// from, to: seconds from now.
Certificate make_certificate(const char* name, EVP_PKEY* key, long from, long to) {
  Certificate certificate(X509_new());
  check(certificate != nullptr, "no memory for a certificate");
  X509* const x = certificate.get();
  std::array<unsigned char, 8> serial{};
  check(RAND_bytes(serial.data(), serial.size()) == 1, "no random bytes");
  uint64_t number = 0;
  for (const unsigned char byte : serial)
    number = number << 8 | byte;
  X509_set_version(x, X509_VERSION_3);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), number >> 1 | 1);
  X509_gmtime_adj(X509_getm_notBefore(x), from);
  X509_gmtime_adj(X509_getm_notAfter(x), to);
  X509_set_pubkey(x, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  return certificate;
}

void sign(X509* certificate, X509* issuer, EVP_PKEY* key) {
  check(X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1, "cannot set an issuer");
  add_extension(certificate, issuer, NID_authority_key_identifier, "keyid:always");
  check(X509_sign(certificate, key, EVP_sha256()) > 0, "cannot sign a certificate");
}

Authority make_authority(const char* name) {
  Authority authority{make_key(), nullptr};
  authority.certificate = make_certificate(name, authority.key.get(), -kDay, 30 * kDay);
  X509* const x = authority.certificate.get();
  add_extension(x, x, NID_basic_constraints, "critical,CA:TRUE");
  add_extension(x, x, NID_key_usage, "critical,keyCertSign,cRLSign");
  add_extension(x, x, NID_subject_key_identifier, "hash");
  sign(x, x, authority.key.get());
  return authority;
}

Context make_context(const Authority& authority, const char* names, long from, long to) {
  const Key key = make_key();
  const Certificate certificate = make_certificate("tunnel-service", key.get(), from, to);
  X509* const x = certificate.get();
  X509* const issuer = authority.certificate.get();
  add_extension(x, issuer, NID_basic_constraints, "critical,CA:FALSE");
  add_extension(x, issuer, NID_key_usage, "critical,digitalSignature");
  add_extension(x, issuer, NID_ext_key_usage, "serverAuth");
  add_extension(x, issuer, NID_subject_alt_name, names);
  sign(x, issuer, authority.key.get());

  Context context(SSL_CTX_new(TLS_server_method()));
  check(context != nullptr, "cannot make a TLS context");
  SSL_CTX* const c = context.get();
  SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
  // AES-128 first, and the server chooses, as on the AWS endpoints.
  SSL_CTX_set_options(c, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_ciphersuites(c, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256");
  SSL_CTX_set_cipher_list(c, "ECDHE+AESGCM:ECDHE+CHACHA20");
  SSL_CTX_set_read_ahead(c, 1);
  SSL_CTX_set_default_read_buffer_len(c, bounds::kTlsReadAhead);
  check(SSL_CTX_use_certificate(c, x) == 1 && SSL_CTX_use_PrivateKey(c, key.get()) == 1,
        "cannot use the server certificate");
  return context;
}

std::string to_pem(X509* certificate) {
  const std::unique_ptr<BIO, FreeBio> bio(BIO_new(BIO_s_mem()));
  check(bio != nullptr && PEM_write_bio_X509(bio.get(), certificate) == 1, "cannot write a certificate");
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(size)};
}

std::string to_pem(EVP_PKEY* key) {
  const std::unique_ptr<BIO, FreeBio> bio(BIO_new(BIO_s_mem()));
  check(
      bio != nullptr && PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
      "cannot write a key");
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<size_t>(size)};
}

}  // namespace

Result<Certificates> Certificates::make(const std::string& directory) {
  const Authority authority = make_authority("tunnel-service throwaway CA");
  const Authority stranger = make_authority("somebody else's CA");
  Certificates certificates;
  certificates.contexts_["good"] = make_context(authority, kNames, -kDay, 30 * kDay);
  certificates.contexts_["wrong-name"] = make_context(authority, "DNS:other.test", -kDay, 30 * kDay);
  certificates.contexts_["expired"] = make_context(authority, kNames, -2 * kDay, -kDay);
  certificates.contexts_["untrusted"] = make_context(stranger, kNames, -kDay, 30 * kDay);

  const std::string pem = to_pem(authority.certificate.get());
  if (auto written = write_atomically(directory + "/ca-key.pem", to_pem(authority.key.get()), 0600); !written)
    return written.error();
  std::array<char, 16> hashed{};
  const int length =
      snprintf(hashed.data(), hashed.size(), "%08lx.0", X509_subject_name_hash(authority.certificate.get()));
  check(length == 10, "the hash of a name has eight digits");
  if (auto made = make_directory(directory + "/ca"); !made) return made.error();
  for (const std::string& path :
       {directory + "/ca.pem", directory + "/ca/ca.pem", directory + "/ca/" + hashed.data()}) {
    if (auto written = write_atomically(path, pem, 0644); !written) return written.error();
  }
  return certificates;
}

SSL_CTX* Certificates::context(std::string_view kind) const {
  const auto found = contexts_.find(kind);
  return found == contexts_.end() ? nullptr : found->second.get();
}

std::vector<std::string> Certificates::kinds() const {
  std::vector<std::string> kinds;
  for (const auto& [kind, context] : contexts_)
    kinds.push_back(kind);
  return kinds;
}

void Certificates::set_max_version(int version) {
  for (const auto& [kind, context] : contexts_)
    SSL_CTX_set_max_proto_version(context.get(), version);
}

}  // namespace localproxy::service
