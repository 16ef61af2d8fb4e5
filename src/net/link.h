// The WebSocket connection to the service. It delivers messages to the tunnel, sends what is in the outbox,
// pings, and closes.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

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
  // sender: has the outbox that the link sends.
  Link(event::Loop& loop, Log& log, Upgraded upgraded, std::chrono::milliseconds ping_period, Sender& sender,
       OnEarlyMessage on_early_message, OnEnd on_end);
  ~Link() override;

  // Starts to read. May call back at once.
  void start();
  // From now on messages go to the tunnel, which outlives the link.
  void carry(Tunnel& tunnel) { tunnel_ = &tunnel; }
  // Stops or resumes reading.
  void pause(bool paused);
  // Sends what is in the outbox.
  void flush();
  // Frees the buffers until they are needed again. REQUIRES: called from the loop.
  void give_back();

  // Sends a close frame and ends the link when it is answered, or after limits::kCloseReply. `end` is then
  // passed to on_end.
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
  void end(ipc::DownReason what, const std::string& reason);
  void end(ipc::Down end);
  // Handles an outcome of TLS other than kDone: waits for the socket, or ends the link.
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
  std::string early_;  // received together with the answer to the upgrade
  wire::WebSocketReader reader_;
  wire::FrameSplitter splitter_;
  Tunnel* tunnel_ = nullptr;
  // Null while idle. Not initialised, so that the kernel provides memory only for what is read.
  std::unique_ptr<uint8_t[]> in_;
  std::optional<std::string> pong_;  // the last ping's payload, if there was no room to answer it
  Liveness liveness_;
  ipc::Down end_;
  event::Watcher watcher_;
  event::Timer close_deadline_;
  event::Timer ping_timer_;
  event::Timer resume_;
  event::Task end_task_;
};

}  // namespace localproxy::net
