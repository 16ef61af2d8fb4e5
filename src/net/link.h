// The WebSocket connection to the service: messages of the tunnel out of it, the outbox into it, with pings
// and closing.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "event/loop.h"
#include "ipc/messages.h"
#include "net/handshake.h"
#include "net/liveness.h"
#include "net/sender.h"
#include "net/tunnel.h"
#include "tls/session.h"
#include "wire/frame.h"
#include "wire/websocket.h"

namespace localproxy::net {

class Link : public wire::WebSocketEvents {
 public:
  // A message that arrives before carry(); valid only during the call. An error ends the link.
  using OnEarlyMessage = std::function<Result<>(Bytes message)>;
  // Called once, from the loop, and nothing after it.
  using OnEnd = std::function<void(const ipc::Down&)>;
  // sender: the source of everything that the link sends.
  Link(event::Loop& loop, Log& log, Upgraded upgraded, std::chrono::milliseconds ping_period, Sender& sender,
       OnEarlyMessage on_early_message, OnEnd on_end);
  ~Link() override;

  // Begins to read, from the loop.
  void start();
  // From now on messages go to the tunnel, which outlives the link.
  void carry(Tunnel& tunnel) { tunnel_ = &tunnel; }
  // Stops and goes on reading.
  void pause(bool paused);
  // Sends what the sender has.
  void flush();

  // Sends a close frame and ends the link when it is answered, or after limits::kCloseReply. `end` is what
  // on_end will get then.
  void close(uint16_t code, ipc::Down end);
  bool closing() const { return state_ == State::kClosing; }

 private:
  enum class State : uint8_t { kOpen, kClosing, kEnded };

  // The descriptor is ready.
  void advance();
  void read();
  void take(Bytes bytes);
  tls::Io send();
  void ping();
  bool nothing_acknowledged() const;
  void end(ipc::DownReason what, std::string reason);
  void end(ipc::Down end);
  // What to do about an outcome of TLS that is not kDone: wait for the socket, or end.
  void wait_or_end(tls::Io io);

  Result<> on_data(Bytes bytes) override;
  void on_ping(Bytes payload) override;
  void on_pong(Bytes payload) override;
  void on_close(uint16_t code, std::string_view reason) override;

  Log& log_;
  const std::string authority_;  // HOST:PORT for the log
  const std::chrono::milliseconds ping_period_;
  Sender& sender_;
  OnEarlyMessage on_early_message_;
  State state_ = State::kOpen;
  bool paused_ = false;
  std::unique_ptr<tls::Session> session_;
  std::string early_;  // what came with the answer to the upgrade
  wire::WebSocketReader reader_;
  wire::FrameSplitter splitter_;
  Tunnel* tunnel_ = nullptr;
  std::vector<uint8_t> in_;
  std::optional<std::string> pong_;  // the last ping's payload, when there was no room to answer it
  Liveness liveness_;
  ipc::Down end_;
  event::Watcher watcher_;
  event::Timer close_deadline_;
  event::Timer ping_timer_;
  event::Timer resume_;
  event::Task end_task_;
};

}  // namespace localproxy::net
