#include "tls/client_certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>

#include "tls/error.h"
#include "tls/free_with.h"
#include "tls/no_password.h"

namespace localproxy::tls {
namespace {

using Certificate = std::unique_ptr<X509, FreeWith<X509_free>>;

void free_chain(STACK_OF(X509) * chain) {
  sk_X509_pop_free(chain, X509_free);
}

using Chain = std::unique_ptr<STACK_OF(X509), FreeWith<free_chain>>;
using Text = std::unique_ptr<BIO, FreeWith<BIO_free>>;

// Reads `text` in place.
Text reader(std::string_view text) {
  return Text(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// All certificates of a PEM text. Empty if there is none, or if one is broken.
Chain certificates_of(std::string_view text) {
  const Text from = reader(text);
  Chain chain(sk_X509_new_null());
  while (from && chain) {
    Certificate certificate(PEM_read_bio_X509(from.get(), nullptr, no_password, nullptr));
    if (!certificate) break;
    if (sk_X509_push(chain.get(), certificate.get()) > 0) (void)certificate.release();
  }
  const bool complete = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (!chain || sk_X509_num(chain.get()) == 0 || !complete) return nullptr;
  ERR_clear_error();
  return chain;
}

}  // namespace

Result<> use_client_certificate(SSL* ssl, std::string_view chain, std::string_view key) {
  ERR_clear_error();
  const Chain others = certificates_of(chain);
  if (!others) return Error("the client certificate cannot be used: " + openssl_reason());
  const Certificate own(sk_X509_shift(others.get()));
  const Text from = reader(key);
  const std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>> secret(
      from ? PEM_read_bio_PrivateKey(from.get(), nullptr, no_password, nullptr) : nullptr);
  if (!secret) return Error("the key of the client certificate cannot be used: " + openssl_reason());
  ERR_clear_error();
  if (SSL_use_cert_and_key(ssl, own.get(), secret.get(), others.get(), 1) != 1)
    return Error("the client certificate cannot be used with its key: " + openssl_reason());
  return {};
}

}  // namespace localproxy::tls
