#include "net/http_client.h"

#include <errno.h>
#include <unistd.h>

#include <array>
#include <utility>

namespace localproxy::net {

using tls::Io;

namespace {

// Bytes of one read: most answers are shorter.
constexpr size_t kPiece = 4'096;

}  // namespace

Io HttpTransport::read(MutableBytes into, size_t& size) {
  if (session_ != nullptr) return session_->read(into, size);
  const ssize_t got = ::read(socket_, into.data(), into.size());
  if (got > 0) {
    size = static_cast<size_t>(got);
    return Io::kDone;
  }
  if (got == 0) return Io::kClosed;
  if (errno == EAGAIN || errno == EINTR) return Io::kWantRead;
  error_ = system_error("connection lost", errno).text();
  return Io::kFailed;
}

Io HttpTransport::write(Bytes bytes, size_t& size) {
  if (session_ != nullptr) return session_->write(bytes, size);
  const ssize_t put = ::write(socket_, bytes.data(), bytes.size());
  if (put >= 0) {
    size = static_cast<size_t>(put);
    return Io::kDone;
  }
  if (errno == EAGAIN || errno == EINTR) return Io::kWantWrite;
  error_ = system_error("connection lost", errno).text();
  return Io::kFailed;
}

HttpClient::Step HttpClient::advance() {
  return sent_ ? receive() : send();
}

HttpClient::Step HttpClient::send() {
  while (!exchange_.unsent().empty()) {
    size_t size = 0;
    if (const Io io = transport_.write(exchange_.unsent(), size); io != Io::kDone) return wait_or_end(io);
    exchange_.sent(size);
  }
  if (const Io io = transport_.flush(); io != Io::kDone) return wait_or_end(io);
  sent_ = true;
  return Step::kSent;
}

HttpClient::Step HttpClient::receive() {
  using Answer = wire::HttpExchange::Step;
  std::array<uint8_t, kPiece> piece;
  for (;;) {
    const std::optional<std::string> kept = std::exchange(rest_, std::nullopt);
    Bytes bytes;
    if (kept) {
      bytes = as_bytes(*kept);
    } else {
      size_t size = 0;
      if (const Io io = transport_.read(piece, size); io != Io::kDone) return wait_or_end(io);
      bytes = Bytes(piece).first(size);
    }
    const Result<Answer> answer = exchange_.receive(bytes);
    if (!answer) {
      error_ = answer.error().text();
      return Step::kMalformed;
    }
    switch (*answer) {
      case Answer::kMore:
        continue;
      case Answer::kInterim:
      case Answer::kRefusal:
        rest_ = as_text(bytes);
        return Step::kHead;
      case Answer::kAccepted:
        rest_ = as_text(bytes);
        return Step::kAccepted;
      case Answer::kRefused:
        return Step::kRefused;
    }
  }
}

HttpClient::Step HttpClient::wait_or_end(Io io) {
  if (io == Io::kWantRead) return Step::kWantRead;
  if (io == Io::kWantWrite) return Step::kWantWrite;
  // A refusal without a length ends with the connection.
  if (exchange_.refusing()) return Step::kRefused;
  if (io == Io::kFailed) error_ = transport_.error();
  return Step::kLost;
}

}  // namespace localproxy::net
