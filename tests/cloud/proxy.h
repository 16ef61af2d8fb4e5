// One connection of a proxy, from accept() to the end of the TCP connection.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "bounds.h"
#include "buffers.h"
#include "event.h"
#include "handshake.h"
#include "journal.h"
#include "output.h"
#include "tls_stream.h"
#include "tunnel.h"
#include "websocket.h"

namespace localproxy::service {

// The service's decision about an upgrade request.
struct Admission {
  enum class Manner {
    kAnswer,     // send response
    kDrip,       // send it byte by byte
    kHang,       // send nothing and wait
    kHangUp,     // close the TCP connection
    kHangUpHard  // reset the TCP connection
  };
  Manner manner = Manner::kAnswer;
  std::string response;
  Tunnel* tunnel = nullptr;  // nullptr: refused
  Side side = Side::kSource;
  int version = 0;
  bool say_service_ids = true;
  Shape shape;
};

class Proxy;

// The service, as its connections see it.
class Host {
 public:
  virtual ~Host() = default;
  // Decides about the head of a request; an error stands for a request that could not be parsed.
  virtual Admission admit(std::variant<Request, Refusal> request, Proxy& proxy) = 0;
  virtual bool answers_pings(Tunnel& tunnel) = 0;
  // The connection has something to send; flush() is called before the loop turns.
  virtual void mark_dirty(Proxy& proxy) = 0;
  // Runs at the end of every callback: flushes dirty connections, checks the waiting commands.
  virtual void settle() = 0;
  // The connection is over; it is destroyed in a later turn of the loop.
  virtual void bury(Proxy& proxy) = 0;
  virtual Journal& journal() = 0;
};

class Proxy final : public Endpoint {
 public:
  using Clock = std::chrono::steady_clock;

  Proxy(Host& host, event_base* base, SSL_CTX* context, UniqueFd fd, std::string address);

  // Endpoint.
  int version() const override { return version_; }
  void send_frame(MutableBytes frame) override;
  size_t queued() const override { return output_.queued(); }
  void close(uint16_t code, std::string_view reason) override;
  void resume() override;

  // Sends queued bytes, as far as the socket takes them.
  void flush();
  // Closes the connection if it was idle for that long.
  void check_idle(Clock::time_point now, std::chrono::milliseconds limit);

  // For the control socket.
  enum class End { kReset, kFin, kTls };
  void hang_up(End end);
  void set_paused(bool paused);
  void set_blackhole(bool blackhole);
  void send_raw(Bytes bytes);
  void ping(std::string_view payload);
  bool update_keys();
  void set_shape(const Shape& shape) { output_.set_shape(shape); }

  struct Facts {
    std::string address;
    std::string channel_id;
    std::string subprotocol;
    Headers headers;  // of the request, without tokens
    uint64_t request_bytes = 0;
    uint64_t pings = 0;
    uint64_t pongs = 0;
    std::string last_pong;
  };
  Facts& facts() { return facts_; }
  const TlsStream& tls() const { return tls_; }
  bool paused() const { return paused_ || blackhole_; }
  // "SIDE of TUNNEL", or the address before that is known.
  std::string who() const;

 private:
  enum class State {
    kTls,
    kRequest,
    kDrip,     // the response is on its way, byte by byte
    kHung,     // nothing is sent or processed any more
    kOpen,     // messages pass
    kClosing,  // a close frame was sent; waits for the other side's
    kEnding,   // close_notify was queued; sends what is left
    kLinger,   // our side of TCP is closed; waits for the other side
    kDead
  };

  static void on_read(evutil_socket_t, short, void* self);
  static void on_write(evutil_socket_t, short, void* self);
  static void on_timer(evutil_socket_t, short, void* self);
  void read();
  bool may_read();
  void watch_reading();
  bool process();
  bool process_request();
  void open();
  bool process_frame();
  void on_control_frame(Opcode opcode, Bytes payload);
  void on_close_frame(Bytes payload);
  std::optional<Breach> on_tunnel_bytes(MutableBytes bytes);
  void breach(const Breach& breach);
  void drip();
  void end_tls();
  void shut_down();
  void linger();
  void leave_tunnel();
  void lost(std::string_view why);
  void die();
  void mark_dirty();

  Host& host_;
  TlsStream tls_;
  Output output_;
  Event read_event_;
  Event write_event_;
  Event timer_;
  State state_ = State::kTls;
  FlatBuffer input_;
  Fragmentation fragmentation_;
  std::unique_ptr<uint8_t[]> partial_;  // an incomplete tunnel frame, behind its head-room
  size_t partial_size_ = 0;
  Admission admission_;
  size_t dripped_ = 0;
  Tunnel* tunnel_ = nullptr;
  Side side_ = Side::kSource;
  int version_ = 3;
  bool paused_ = false;
  bool blackhole_ = false;
  bool dirty_ = false;
  bool held_back_ = false;  // the other side's queue, or ours, was full
  Clock::time_point last_byte_;
  Facts facts_;
};

}  // namespace localproxy::service
