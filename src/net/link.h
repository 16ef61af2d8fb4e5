// The WebSocket connection to the service: from a connected TCP socket, through the web proxy if there is
// one, over TLS and the upgrade to a stream of tunnel bytes, with pings and closing.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/secret.h"
#include "event/loop.h"
#include "ipc/messages.h"
#include "net/link_end.h"
#include "net/outbox.h"
#include "net/web_proxy.h"
#include "tls/session.h"
#include "wire/http.h"
#include "wire/refusal.h"
#include "wire/websocket.h"

namespace localproxy::net {

class LinkEvents {
 public:
  virtual ~LinkEvents() = default;
  virtual void on_open(const std::string& channel_id) = 0;
  // Tunnel bytes; valid only during the call. An error ends the link.
  virtual Result<> on_bytes(Bytes bytes) = 0;
  // The outbox has room again.
  virtual void on_room() = 0;
  // Once, from the loop; nothing follows.
  virtual void on_end(const LinkEnd& end) = 0;
};

class Link : public wire::WebSocketEvents {
 public:
  // grant: as the monitor sent it; its tokens are wiped when the upgrade has been answered.
  Link(event::Loop& loop, Log& log, tls::Context& context, LinkEvents& events);
  ~Link() override;

  void start(UniqueFd socket, ipc::Grant grant);

  Outbox& outbox() { return outbox_; }
  // Whether a DATA message may be framed now. Not while the socket takes nothing: what is not framed yet can
  // still be overtaken by a keystroke.
  bool has_room() const { return outbox_.has_room() && !blocked_; }
  // Writes what the outbox has, at the end of this turn of the loop, so that what is framed in one turn
  // leaves together.
  void flush_soon();

  // Stops and goes on reading the tunnel.
  void pause(bool paused);

  // Sends a close frame and ends the link when it is answered, or after limits::kCloseReply. `end` is what
  // on_end() will say then.
  void close(uint16_t code, LinkEnd end);
  bool closing() const { return phase_ == Phase::kClosing; }

 private:
  enum class Phase : uint8_t { kIdle, kProxy, kTls, kRequest, kResponse, kRefusal, kOpen, kClosing, kEnded };

  void advance();
  void do_proxy();
  void begin_tls(Result<std::unique_ptr<tls::Session>> session);
  void watch(int fd);
  void on_deadline();
  void do_tls();
  void send_request();
  void read_response();
  void on_response(Bytes rest);
  void read_refusal(Bytes bytes);
  void refuse();
  void open(Bytes rest);
  void read_tunnel();
  void take(Bytes bytes);
  void flush();
  tls::Io send();
  void ping();
  // Whether the service has been silent for limits::kDeadPeer although it should not have been.
  bool is_dead();
  bool nothing_acknowledged() const;
  void end(ipc::DownClass what, std::string reason);
  void end(LinkEnd end);
  // What to do about an outcome of TLS that is not kDone: wait for the socket, or end.
  void wait_or_end(tls::Io io);
  bool established() const { return phase_ == Phase::kOpen || phase_ == Phase::kClosing; }

  Result<> on_data(Bytes bytes) override;
  void on_ping(Bytes payload) override;
  void on_pong(Bytes payload) override;
  void on_close(uint16_t code, std::string_view reason) override;

  event::Loop& loop_;
  Log& log_;
  tls::Context& context_;
  LinkEvents& events_;
  Phase phase_ = Phase::kIdle;
  ipc::Grant grant_;
  std::string authority_;            // HOST:PORT for the log
  std::unique_ptr<WebProxy> proxy_;  // until it passes bytes on
  std::unique_ptr<tls::Session> session_;
  std::unique_ptr<event::Watcher> watcher_;
  event::Timer deadline_;
  event::Timer ping_timer_;
  event::Timer resume_;
  event::Task flush_task_;
  event::Task end_task_;
  event::Task wipe_task_;  // where nothing is above it that has seen the tokens

  std::string request_;  // what is left to send of the upgrade; wiped
  size_t request_sent_ = 0;
  std::string accept_;
  wire::ResponseReader response_;
  wire::Refusal refusal_;

  wire::WebSocketReader reader_;
  std::vector<uint8_t> in_;
  Outbox outbox_;
  std::string pong_;  // the last ping's payload, when there was no room to answer it
  bool has_pong_ = false;
  bool blocked_ = false;  // the socket takes nothing now
  bool paused_ = false;
  bool heard_pong_ = false;
  bool heard_ = false;  // any byte since the last ping
  std::chrono::milliseconds silent_{0};
  uint64_t messages_seen_ = 0;    // of the outbox, at the last ping
  bool behind_messages_ = false;  // messages were sent since anything was heard
  LinkEnd end_;
};

}  // namespace localproxy::net
