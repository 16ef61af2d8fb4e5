// What goes to one proxy: tunnel frames and control frames become WebSocket frames become TLS records.
//
// By default one tunnel frame is one WebSocket frame, which is what all known peers understand. A Shape cuts
// the same bytes in other, equally legal, ways.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "buffers.h"
#include "tls_stream.h"
#include "websocket.h"

namespace localproxy::service {

struct Shape {
  // The tunnel's bytes in WebSocket messages of so many, whatever the tunnel frames are; 0: one frame each.
  size_t size = 0;
  // The first message after this was set has so many bytes instead; 0: like all others.
  size_t offset = 0;
  // A WebSocket message in fragments of so many bytes; 0: whole.
  size_t fragment = 0;
  // TLS records of so many bytes; 0: as they come.
  size_t tls = 0;

  bool plain() const { return size == 0 && offset == 0 && fragment == 0 && tls == 0; }
};

class Output {
 public:
  explicit Output(TlsStream& tls) : tls_(tls) {}

  // REQUIRES: bounds::kHeadRoom bytes in front of frame that may be overwritten.
  void tunnel_frame(MutableBytes frame);
  void control_frame(Opcode opcode, std::string_view payload);
  // Bytes below WebSocket framing.
  void raw(Bytes bytes);
  // What was gathered goes to TLS. Called before the socket is written to.
  void finish();

  // What was gathered in the old shape goes out first.
  void set_shape(const Shape& shape);
  // Everything that is not sent.
  size_t queued() const { return gathered_.size() + shaped_.size() + tls_.queued(); }
  // TLS refused to encrypt: the connection is lost.
  bool broken() const { return broken_; }

 private:
  void put(Bytes bytes);
  void flush_gathered();
  void cut();
  void message(Bytes payload);

  TlsStream& tls_;
  Shape shape_;
  FlatBuffer gathered_;  // WebSocket frames that are too small for a record of their own
  FlatBuffer shaped_;    // the tunnel's bytes that wait to be cut
  bool broken_ = false;
};

}  // namespace localproxy::service
