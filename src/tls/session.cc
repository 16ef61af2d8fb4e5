#include "tls/session.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "base/address.h"
#include "base/log.h"
#include "tls/client_certificate.h"
#include "tls/error.h"
#include "tls/name_constraints.h"

namespace localproxy::tls {
namespace {

bool expect_host(SSL* ssl, const std::string& host) {
  X509_VERIFY_PARAM* param = SSL_get0_param(ssl);
  if (is_address(host)) return X509_VERIFY_PARAM_set1_ip_asc(param, host.c_str()) == 1;
  // RFC 9525, 6.3: the common name is not a host name. A name constraint of an authority does not bind it.
  X509_VERIFY_PARAM_set_hostflags(param,
                                  X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  return X509_VERIFY_PARAM_set1_host(param, host.c_str(), host.size()) == 1 &&
         // What the macro SSL_set_tlsext_host_name() stands for, without its C cast.
         SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                  const_cast<char*>(host.c_str())) == 1;
}

// The most bytes of a TLS record that still fit, encrypted, into one record of the outer session: a full
// record would take two.
constexpr long kNestedFragment = SSL3_RT_MAX_PLAIN_LENGTH - 256;

// Encrypted bytes that are gathered and sent in one call, instead of one call for each record: room for the
// largest DATA message, in full records.
constexpr int kGathered = 66 * 1024;

// Attaches the socket, with a buffer that gathers what is written to it.
bool attach(SSL* ssl, int fd) {
  BIO* const socket = BIO_new_socket(fd, BIO_NOCLOSE);
  BIO* const gather = BIO_new(BIO_f_buffer());
  if (socket == nullptr || gather == nullptr ||
      BIO_int_ctrl(gather, BIO_C_SET_BUFF_SIZE, kGathered, 1) != 1) {
    BIO_free(socket);
    BIO_free(gather);
    return false;
  }
  // The write chain holds one reference, the read side the other.
  BIO_up_ref(socket);
  SSL_set0_rbio(ssl, socket);
  SSL_set0_wbio(ssl, BIO_push(gather, socket));
  return true;
}

}  // namespace

Result<std::unique_ptr<Session>> Session::make(const Context& context, const std::string& host, bool verify,
                                               const std::string& named_by) {
  SSL* ssl = SSL_new(context.get());
  if (ssl == nullptr) return Error("TLS: " + openssl_reason());
  // The dot of "example.com." is for name servers: no certificate has it, and no SNI (RFC 6066, 3).
  const std::string name = host.ends_with('.') ? host.substr(0, host.size() - 1) : host;
  std::unique_ptr<Session> session(new Session(ssl, name, named_by));
  session->requires_crl_ = context.requires_crl();
  if (!expect_host(ssl, name) || SSL_set_ex_data(ssl, 0, session.get()) != 1)
    return Error("TLS: " + openssl_reason());
  SSL_set_verify(ssl, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, verify ? &Session::on_verified : nullptr);
  SSL_set_cert_cb(ssl, &Session::on_asked, session.get());
  SSL_set_connect_state(ssl);
  return session;
}

Result<std::unique_ptr<Session>> Session::create(const Context& context, UniqueFd socket,
                                                 const std::string& host, bool verify,
                                                 const std::string& named_by) {
  auto session = make(context, host, verify, named_by);
  if (!session) return session;
  (*session)->socket_ = std::move(socket);
  if (!attach((*session)->ssl_, (*session)->fd())) return Error("TLS: " + openssl_reason());
  return session;
}

Result<std::unique_ptr<Session>> Session::create(const Context& context, std::unique_ptr<Session> outer,
                                                 const std::string& host, bool verify) {
  auto session = make(context, host, verify, "-e");
  if (!session) return session;
  BIO* through = BIO_new(BIO_f_ssl());
  if (through == nullptr) return Error("TLS: " + openssl_reason());
  // The outer session still owns what the BIO uses.
  BIO_set_ssl(through, outer->ssl_, BIO_NOCLOSE);
  SSL_set_bio((*session)->ssl_, through, through);
  SSL_ctrl((*session)->ssl_, SSL_CTRL_SET_MAX_SEND_FRAGMENT, kNestedFragment, nullptr);
  (*session)->outer_ = std::move(outer);
  return session;
}

Session::~Session() {
  SSL_free(ssl_);
}

Result<> Session::present(std::string_view chain, std::string_view key) {
  return use_client_certificate(ssl_, chain, key);
}

int Session::on_asked(SSL*, void* session) {
  static_cast<Session*>(session)->asked_ = true;
  return 1;
}

Io Session::handshake() {
  ERR_clear_error();
  const Io io = outcome(SSL_do_handshake(ssl_));
  // No renegotiation and no authentication after the handshake: the key has done its work.
  if (io != Io::kWantRead && io != Io::kWantWrite) SSL_certs_clear(ssl_);
  return io == Io::kDone ? check_pin() : io;
}

Io Session::check_pin() {
  if (pins_.empty()) return Io::kDone;
  const X509* const certificate = SSL_get0_peer_certificate(ssl_);
  check(certificate != nullptr, "a cipher suite without a certificate");
  const std::string digest = key_digest(certificate);
  if (std::ranges::find(pins_, digest) != pins_.end()) return Io::kDone;
  error_ = CertificateError::wrong_key(certificate, digest, host_);
  return Io::kFailed;
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

Io Session::flush() {
  ERR_clear_error();
  BIO* const out = SSL_get_wbio(ssl_);
  if (BIO_ctrl(out, BIO_CTRL_FLUSH, 0, nullptr) > 0) return Io::kDone;
  if (BIO_should_retry(out)) return Io::kWantWrite;
  error_ = system_error("connection lost", errno).text();
  return Io::kFailed;
}

bool Session::holds_input() const {
  return SSL_has_pending(ssl_) == 1 || (outer_ && outer_->holds_input());
}

void Session::shutdown() {
  ERR_clear_error();
  SSL_shutdown(ssl_);
  ERR_clear_error();
  if (outer_) outer_->shutdown();
}

int Session::on_verified(int good, X509_STORE_CTX* verification) {
  const auto* ssl =
      static_cast<const SSL*>(X509_STORE_CTX_get_ex_data(verification, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* const session = static_cast<Session*>(SSL_get_ex_data(ssl, 0));
  const bool own = X509_STORE_CTX_get_error_depth(verification) == 0;
  if (good == 1) {
    const bool named = own && !is_address(session->host_);
    const int error = named ? check_name_constraints(verification, session->host_) : X509_V_OK;
    if (error == X509_V_OK) return good;
    X509_STORE_CTX_set_error(verification, error);
    good = 0;
  }
  // Most authorities publish CRLs, but nothing here fetches them. The user who gives a file of them has the
  // one for the server's certificate, but seldom those of all authorities above it.
  if (X509_STORE_CTX_get_error(verification) == X509_V_ERR_UNABLE_TO_GET_CRL &&
      !(own && session->requires_crl_)) {
    X509_STORE_CTX_set_error(verification, X509_V_OK);
    return 1;
  }
  session->certificate_error_.record(verification);
  return good;
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
      error_ = outer_ ? outer_->failure(system) : failure(system);
      break;
    default:
      if (certificate_error_.recorded()) {
        error_ = certificate_error_.text(host_, named_by_);
      } else if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        error_ = "the connection was closed without notice";
      } else {
        error_ = openssl_reason();
      }
  }
  ERR_clear_error();
  return Io::kFailed;
}

// The error of the socket below TLS.
std::string Session::failure(int system) const {
  const bool closed = (SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN) != 0 || system == 0;
  return closed ? "the connection was closed" : system_error("connection lost", system).text();
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
