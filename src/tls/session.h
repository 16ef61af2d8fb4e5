// One TLS connection, as a client, on a connected non-blocking socket, or inside another TLS connection.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/result.h"
#include "tls/certificate_error.h"
#include "tls/context.h"

struct ssl_st;

namespace localproxy::tls {

// The result of an operation.
enum class Io : uint8_t {
  kDone,
  kWantRead,   // call again when the socket is readable
  kWantWrite,  // call again when the socket is writable
  kClosed,     // the peer ended the connection
  kFailed,     // error() says why
};

class Session {
 public:
  // host: the name or address that the certificate must be for, and SNI when it is a name. verify false: -k.
  // named_by: the option that named the host, for errors.
  static Result<std::unique_ptr<Session>> create(const Context& context, UniqueFd socket,
                                                 const std::string& host, bool verify,
                                                 const std::string& named_by = "-e");
  // The same inside a session whose handshake is done, and which from now on is used only by this one.
  // kWantRead and kWantWrite refer to the socket, after all layers have been drained.
  static Result<std::unique_ptr<Session>> create(const Context& context, std::unique_ptr<Session> outer,
                                                 const std::string& host, bool verify);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Before the handshake: what the server is shown if it asks for a certificate. chain: PEM, the certificate
  // itself first; key: PEM, not encrypted. The handshake forgets the key.
  Result<> present(std::string_view chain, std::string_view key);
  // Whether the server has asked for a certificate. It need not insist.
  bool was_asked() const { return asked_; }
  // Before the handshake: the server's public key must be one of these, even without verification. SHA-256 of
  // its SubjectPublicKeyInfo; none: any key.
  void pin(std::vector<std::string> keys) { pins_ = std::move(keys); }

  int fd() const { return outer_ ? outer_->fd() : socket_.get(); }
  Io handshake();
  // Reads at most into.size() bytes; size says how many.
  Io read(MutableBytes into, size_t& size);
  // Whether read() may return data although the socket is not readable.
  bool holds_input() const;
  // Encrypts some of bytes; size says how many. They are sent by flush(), or earlier when the buffer is full.
  Io write(Bytes bytes, size_t& size);
  // Sends what was encrypted.
  Io flush();
  // Tells the peer that nothing follows. Best effort.
  void shutdown();

  const std::string& error() const { return error_; }
  // "TLSv1.3, TLS_AES_256_GCM_SHA384".
  std::string description() const;

 private:
  Session(ssl_st* ssl, std::string host, std::string named_by)
      : ssl_(ssl), host_(std::move(host)), named_by_(std::move(named_by)) {}
  static Result<std::unique_ptr<Session>> make(const Context& context, const std::string& host, bool verify,
                                               const std::string& named_by);
  static int on_asked(ssl_st* ssl, void* session);
  static int on_verified(int good, x509_store_ctx_st* verification);
  Io check_pin();
  Io outcome(int returned);
  std::string failure(int system) const;

  UniqueFd socket_;
  std::unique_ptr<Session> outer_;
  ssl_st* ssl_;
  std::string host_;
  std::string named_by_;
  bool requires_crl_ = false;
  bool asked_ = false;  // for a certificate
  std::vector<std::string> pins_;
  CertificateError certificate_error_;
  std::string error_;
};

// Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455, 4.2.2): 20 bytes, not yet in Base64.
std::string websocket_accept(const std::string& key);

// Unpredictable bytes, for keys and nonces.
void random_bytes(MutableBytes into);

}  // namespace localproxy::tls
