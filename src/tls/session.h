// One TLS connection, as a client, on a connected non-blocking socket.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/result.h"
#include "tls/context.h"

struct ssl_st;

namespace localproxy::tls {

// What came of an operation.
enum class Io : uint8_t {
  kDone,
  kWantRead,   // again when the socket is readable
  kWantWrite,  // again when the socket is writable
  kClosed,     // the peer ended the connection
  kFailed,     // error() says why
};

class Session {
 public:
  // host: the name or address that the certificate must be for, and SNI when it is a name. verify false: -k.
  static Result<std::unique_ptr<Session>> create(const Context& context, UniqueFd socket,
                                                 const std::string& host, bool verify);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  int fd() const { return socket_.get(); }
  Io handshake();
  // Reads at most into.size() bytes; size says how many.
  Io read(MutableBytes into, size_t& size);
  // Writes some of bytes; size says how many.
  Io write(Bytes bytes, size_t& size);
  // Says to the peer that nothing follows. Best effort.
  void shutdown();

  const std::string& error() const { return error_; }
  // "TLSv1.3, TLS_AES_256_GCM_SHA384".
  std::string description() const;

 private:
  Session(ssl_st* ssl, UniqueFd socket, std::string host)
      : ssl_(ssl), socket_(std::move(socket)), host_(std::move(host)) {}
  Io outcome(int returned);
  std::string verify_failure() const;

  ssl_st* ssl_;
  UniqueFd socket_;
  std::string host_;
  std::string error_;
};

// Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455, 4.2.2): 20 bytes, not yet in Base64.
std::string websocket_accept(const std::string& key);

// Bytes that cannot be guessed.
void random_bytes(MutableBytes into);

}  // namespace localproxy::tls
