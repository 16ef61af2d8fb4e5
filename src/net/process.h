// The net process: one tunnel connection, from GRANT to DOWN.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/exhaustion.h"
#include "base/log.h"
#include "event/loop.h"
#include "ipc/port.h"
#include "net/link.h"
#include "net/local.h"
#include "net/tunnel.h"
#include "tls/context.h"
#include "wire/frame.h"

namespace localproxy::net {

class Process : public LinkEvents, public TunnelEvents, public LocalEvents {
 public:
  // monitor: the port on which SETUP was received and READY sent. bridge: fd of the channel to the bridge.
  Process(event::Loop& loop, Log& log, tls::Context& context, ipc::Port& monitor, UniqueFd bridge);
  ~Process() override;

 private:
  // From the monitor.
  void on_grant(ipc::Grant& grant, UniqueFd socket);
  void on_services(const ipc::Services& message);
  void on_stop();
  // From the bridge.
  void on_bridge_end(ipc::Port::End end, const std::string& what);
  // Whether a message of the bridge had found room for its descriptor.
  void note_room(bool room);
  void on_accepted(const ipc::Accepted& message, UniqueFd channel);
  void on_opening(const ipc::Opening& message, UniqueFd channel);
  void on_failed(const ipc::Failed& message);

  // LinkEvents.
  void on_open(const std::string& channel_id) override;
  Result<> on_bytes(Bytes bytes) override;
  void on_room() override;
  void on_end(const LinkEnd& end) override;
  // TunnelEvents.
  void open(Number number, uint16_t service) override;
  void deliver(Number number, Bytes bytes) override;
  void finish(Number number) override;
  void send(const wire::Message& message) override;
  void note(std::string text) override;
  // LocalEvents.
  void on_readable(Local& local) override;
  void on_broken(Local& local) override;
  void on_backlog(Local& local, bool full) override;
  void on_stalled(Local& local) override;
  void on_flushed(Local& local) override;

  Result<> on_message(Bytes message);
  Result<> on_first_message(Bytes message);
  void announce(std::vector<std::string> services);
  Local* find(Number number);
  Local& add_local(Number number, uint16_t service);
  // Takes a connection out, and destroys it when the loop is back.
  void discard(Local& local);
  void update_pause();
  void end_if_drained();
  void end_tunnel();
  void report_and_exit(const LinkEnd& end);

  event::Loop& loop_;
  Log& log_;
  ipc::Port& monitor_;
  ipc::Port bridge_;
  Link link_;
  wire::FrameSplitter splitter_;
  bool source_ = false;
  int version_ = 3;  // of the protocol, for what we send
  uint32_t max_connections_ = 0;
  std::chrono::milliseconds stall_{0};  // 0: never
  bool expects_services_ = false;       // UP was not sent yet
  std::string channel_id_;
  std::vector<std::string> early_;  // messages that came before SERVICES
  std::unique_ptr<Tunnel> tunnel_;
  std::unordered_map<Number, std::unique_ptr<Local>> locals_;
  event::Deferred deferred_;    // connections that have ended
  std::deque<Number> waiting_;  // for room in the outbox, in turn
  size_t full_ = 0;             // connections whose backlog is full
  bool bridge_gone_ = false;
  bool stopping_ = false;
  bool ending_ = false;
  LinkEnd end_;
  event::Timer drain_;
  event::Timer services_deadline_;
  event::Timer orphaned_;
  Episode no_room_;       // for descriptors
  event::Timer silence_;  // of the destination, while connections are open
  event::Timer trim_;
};

}  // namespace localproxy::net
