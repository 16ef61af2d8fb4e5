#include "tls_stream.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>

#include <array>

#include "base/log.h"

namespace localproxy::service {
namespace {

int queue_write(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  if (size <= 0) return 0;
  auto* queue = static_cast<RingBuffer*>(BIO_get_data(bio));
  queue->append(as_bytes({data, static_cast<size_t>(size)}));
  return size;
}

long queue_control(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

int queue_create(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

// A sink that appends to a RingBuffer.
const BIO_METHOD* queue_method() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "queue");
    check(made != nullptr, "no memory for a BIO method");
    BIO_meth_set_write(made, queue_write);
    BIO_meth_set_ctrl(made, queue_control);
    BIO_meth_set_create(made, queue_create);
    return made;
  }();
  return method;
}

}  // namespace

TlsStream::TlsStream(SSL_CTX* context, UniqueFd fd)
    : fd_(std::move(fd)), queue_(std::make_unique<RingBuffer>()), ssl_(SSL_new(context)) {
  BIO* const in = BIO_new_socket(fd_.get(), BIO_NOCLOSE);
  BIO* const out = BIO_new(queue_method());
  check(ssl_ != nullptr && in != nullptr && out != nullptr, "no memory for TLS");
  BIO_set_data(out, queue_.get());
  SSL_set_bio(ssl_.get(), in, out);
  SSL_set_accept_state(ssl_.get());
}

TlsStream::Status TlsStream::failed(int result) {
  const int saved_errno = errno;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return Status::kWant;
    case SSL_ERROR_ZERO_RETURN:
      error_ = "end of TLS";
      return Status::kEnd;
    case SSL_ERROR_SYSCALL:
      error_ = saved_errno != 0 ? ::strerror(saved_errno) : "end of the TCP connection";
      return Status::kLost;
    default: {
      std::array<char, 256> text{};
      ERR_error_string_n(ERR_peek_error(), text.data(), text.size());
      error_ = text.data();
      return Status::kLost;
    }
  }
}

TlsStream::Status TlsStream::accept() {
  ERR_clear_error();
  const int result = SSL_accept(ssl_.get());
  return result == 1 ? Status::kDone : failed(result);
}

TlsStream::Status TlsStream::read(MutableBytes into, size_t& got) {
  ERR_clear_error();
  if (SSL_read_ex(ssl_.get(), into.data(), into.size(), &got) == 1) return Status::kDone;
  got = 0;
  return failed(0);
}

bool TlsStream::write(Bytes bytes) {
  if (bytes.empty()) return true;
  ERR_clear_error();
  size_t written = 0;
  if (SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written) == 1) return true;
  if (failed(0) == Status::kWant) error_ = "TLS could not write";
  return false;
}

TlsStream::Status TlsStream::send() {
  while (!queue_->empty()) {
    std::array<iovec, 2> parts{};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = queue_->parts(parts);
    const ssize_t sent = ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return Status::kWant;
      error_ = ::strerror(errno);
      return Status::kLost;
    }
    queue_->consume(static_cast<size_t>(sent));
  }
  return Status::kDone;
}

void TlsStream::end() {
  ERR_clear_error();
  // One direction is enough: nothing that the other side still sends matters.
  SSL_shutdown(ssl_.get());
}

bool TlsStream::update_keys() {
  ERR_clear_error();
  return SSL_version(ssl_.get()) == TLS1_3_VERSION &&
         SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_REQUESTED) == 1 && SSL_do_handshake(ssl_.get()) == 1;
}

std::string TlsStream::server_name() const {
  const char* const name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
  return name == nullptr ? "" : name;
}

}  // namespace localproxy::service
