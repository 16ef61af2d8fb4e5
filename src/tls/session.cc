#include "tls/session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/log.h"
#include "tls/error.h"

namespace localproxy::tls {
namespace {

bool is_address(const std::string& host) {
  uint8_t buffer[sizeof(in6_addr)];
  return ::inet_pton(AF_INET, host.c_str(), buffer) == 1 || ::inet_pton(AF_INET6, host.c_str(), buffer) == 1;
}

bool expect_host(SSL* ssl, const std::string& host) {
  X509_VERIFY_PARAM* param = SSL_get0_param(ssl);
  if (is_address(host)) return X509_VERIFY_PARAM_set1_ip_asc(param, host.c_str()) == 1;
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return X509_VERIFY_PARAM_set1_host(param, host.c_str(), host.size()) == 1 &&
         // What the macro SSL_set_tlsext_host_name() stands for, without its C cast.
         SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                  const_cast<char*>(host.c_str())) == 1;
}

std::string name_of(X509_NAME* name) {
  char text[256] = "?";
  if (name != nullptr) X509_NAME_oneline(name, text, sizeof text);
  return text;
}

}  // namespace

Result<std::unique_ptr<Session>> Session::create(const Context& context, UniqueFd socket,
                                                 const std::string& host, bool verify) {
  SSL* ssl = SSL_new(context.get());
  if (ssl == nullptr) return Error("TLS: " + openssl_reason());
  std::unique_ptr<Session> session(new Session(ssl, std::move(socket), host));
  if (SSL_set_fd(ssl, session->fd()) != 1 || !expect_host(ssl, host))
    return Error("TLS: " + openssl_reason());
  SSL_set_verify(ssl, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  SSL_set_connect_state(ssl);
  return session;
}

Session::~Session() {
  SSL_free(ssl_);
}

Io Session::handshake() {
  ERR_clear_error();
  return outcome(SSL_do_handshake(ssl_));
}

Io Session::read(MutableBytes into, size_t& size) {
  ERR_clear_error();
  size = 0;
  return outcome(SSL_read_ex(ssl_, into.data(), into.size(), &size));
}

Io Session::write(Bytes bytes, size_t& size) {
  ERR_clear_error();
  size = 0;
  return outcome(SSL_write_ex(ssl_, bytes.data(), bytes.size(), &size));
}

void Session::shutdown() {
  ERR_clear_error();
  SSL_shutdown(ssl_);
  ERR_clear_error();
}

Io Session::outcome(int returned) {
  if (returned > 0) return Io::kDone;
  const int system = errno;
  switch (SSL_get_error(ssl_, returned)) {
    case SSL_ERROR_WANT_READ:
      return Io::kWantRead;
    case SSL_ERROR_WANT_WRITE:
      return Io::kWantWrite;
    case SSL_ERROR_ZERO_RETURN:
      return Io::kClosed;
    case SSL_ERROR_SYSCALL:
      error_ = system == 0 ? "the connection was closed" : system_error("connection lost", system).text();
      break;
    default:
      if (SSL_get_verify_result(ssl_) != X509_V_OK && (SSL_get_verify_mode(ssl_) & SSL_VERIFY_PEER) != 0) {
        error_ = verify_failure();
      } else if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        error_ = "the connection was closed without notice";
      } else {
        error_ = openssl_reason();
      }
  }
  ERR_clear_error();
  return Io::kFailed;
}

std::string Session::verify_failure() const {
  const long result = SSL_get_verify_result(ssl_);
  std::string text = std::string("the certificate for ") + host_ +
                     " was not accepted: " + X509_verify_cert_error_string(result);
  if (X509* certificate = SSL_get1_peer_certificate(ssl_)) {
    text += " (subject " + name_of(X509_get_subject_name(certificate)) + ", issuer " +
            name_of(X509_get_issuer_name(certificate)) + ")";
    X509_free(certificate);
  }
  if (result == X509_V_ERR_HOSTNAME_MISMATCH || result == X509_V_ERR_IP_ADDRESS_MISMATCH) {
    return text + "; connect by a name that the certificate has";
  }
  return text + "; when its root is a private one, give the directory with -c";
}

std::string Session::description() const {
  return std::string(SSL_get_version(ssl_)) + ", " + SSL_get_cipher_name(ssl_);
}

std::string websocket_accept(const std::string& key) {
  // The constant of RFC 6455, 1.3.
  const std::string text = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::string digest(20, '\0');
  const int made = EVP_Digest(text.data(), text.size(), reinterpret_cast<uint8_t*>(digest.data()), nullptr,
                              EVP_sha1(), nullptr);
  check(made == 1, "SHA-1 is not available");
  return digest;
}

void random_bytes(MutableBytes into) {
  check(RAND_bytes(into.data(), static_cast<int>(into.size())) == 1, "no random bytes");
}

}  // namespace localproxy::tls
