// Sends to one proxy: tunnel frames and control frames become WebSocket frames, which become TLS records.
//
// By default one tunnel frame is one WebSocket frame, which all known peers understand. A Shape cuts the same
// bytes in other legal ways.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "buffers.h"
#include "tls_stream.h"
#include "websocket.h"

namespace localproxy::service {

struct Shape {
  // Bytes per WebSocket message, regardless of the tunnel frames; 0: one message per tunnel frame.
  size_t size = 0;
  // How long bytes that are fewer than `size` wait for more; 0: not at all.
  std::chrono::milliseconds hold{};
  // Bytes of the first message after the shape was set; 0: like all others.
  size_t offset = 0;
  // Bytes per fragment of a WebSocket message; 0: no fragments.
  size_t fragment = 0;
  // Bytes per TLS record; 0: no limit.
  size_t tls = 0;

  bool plain() const { return size == 0 && offset == 0 && fragment == 0 && tls == 0; }
};

class Output {
 public:
  explicit Output(TlsStream& tls) : tls_(tls) {}

  // REQUIRES: bounds::kHeadRoom bytes in front of frame that may be overwritten.
  void tunnel_frame(MutableBytes frame);
  void control_frame(Opcode opcode, std::string_view payload);
  // Sends bytes without WebSocket framing.
  void raw(Bytes bytes);
  // Passes the gathered bytes to TLS, except what the shape holds back.
  void pass_on();
  // Whether anything is held back, until finish().
  bool holds() const { return !shaped_.empty(); }
  // Everything goes to TLS.
  void finish();

  // Sends what was gathered in the old shape first.
  void set_shape(const Shape& shape);
  const Shape& shape() const { return shape_; }
  // The number of unsent bytes, without those that are held back to be joined with more.
  size_t queued() const {
    return gathered_.size() + (shape_.hold.count() == 0 ? shaped_.size() : 0) + tls_.queued();
  }
  // Whether TLS failed to encrypt: the connection is lost.
  bool broken() const { return broken_; }

 private:
  void put(Bytes bytes);
  void flush_gathered();
  // Makes messages of what waits, down to `least` bytes; the last may be shorter than the shape says.
  void cut(size_t least = 1);
  // Of the bytes that wait, so many make a message without waiting for more.
  size_t least() const { return shape_.hold.count() == 0 ? 1 : shape_.size; }
  void message(Bytes payload);

  TlsStream& tls_;
  Shape shape_;
  FlatBuffer gathered_;  // WebSocket frames that are too small for a record of their own
  FlatBuffer shaped_;    // tunnel bytes that wait to be cut
  bool broken_ = false;
};

}  // namespace localproxy::service
