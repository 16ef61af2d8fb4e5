// The server's end of TLS on a non-blocking socket.
//
// Writes are encrypted into a queue at once and leave in large sends. Writing never blocks, so a TLS record
// is never half written and no retry has to repeat the same bytes.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/fd.h"
#include "buffers.h"

namespace localproxy::service {

class TlsStream {
 public:
  enum class Status {
    kDone,
    kWant,  // not now: wait for the socket
    kEnd,   // the other side closed TLS in order
    kLost,  // error() has the reason
  };

  TlsStream(SSL_CTX* context, UniqueFd fd);
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  Status accept();
  // kDone: got bytes, at most a record's worth, are in `into`.
  Status read(MutableBytes into, size_t& got);
  // Bytes buffered inside TLS, which can be read although the socket is not readable.
  bool holds_input() const { return SSL_has_pending(ssl_.get()) == 1; }
  // Encrypts all of bytes into the queue. False: the connection is broken, error() has the reason.
  bool write(Bytes bytes);
  // Sends from the queue: kDone when it is empty, kWant when the socket is full.
  Status send();
  // Queued ciphertext bytes.
  size_t queued() const { return queue_->size(); }
  // Queues close_notify.
  void end();
  // Queues a KeyUpdate that requests the other side's too (TLS 1.3). False: not possible.
  bool update_keys();

  int fd() const { return fd_.get(); }
  void close() { fd_.reset(); }
  const std::string& error() const { return error_; }
  std::string server_name() const;
  std::string version() const { return SSL_get_version(ssl_.get()); }
  std::string cipher() const { return SSL_get_cipher_name(ssl_.get()); }

 private:
  struct FreeSsl {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };
  Status failed(int result);

  UniqueFd fd_;
  std::unique_ptr<RingBuffer> queue_;
  std::unique_ptr<SSL, FreeSsl> ssl_;
  std::string error_;
};

}  // namespace localproxy::service
