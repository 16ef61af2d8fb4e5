// The net process: one tunnel connection, from GRANT to DOWN. It creates and destroys the parts; data does
// not pass through it (net/link.h, net/tunnel.h, net/local_channel.h, net/sender.h).
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/exhaustion.h"
#include "base/log.h"
#include "base/token_bucket.h"
#include "event/loop.h"
#include "ipc/port.h"
#include "net/handshake.h"
#include "net/link.h"
#include "net/local_channel.h"
#include "net/sender.h"
#include "net/tunnel.h"
#include "tls/context.h"

namespace localproxy::net {

class NetProcess : public TunnelEvents, public LocalChannelEvents {
 public:
  // monitor: the port on which SETUP was received and READY sent. bridge: fd of the channel to the bridge.
  NetProcess(event::Loop& loop, Log& log, tls::Context& context, ipc::Port& monitor, UniqueFd bridge);
  ~NetProcess() override;

 private:
  enum class Phase : uint8_t {
    kNegotiating,  // until the tunnel's services are known
    kAnnounced,    // UP was sent, SERVICES has not arrived
    kServing,
    kStopping,  // STOP has arrived: the connections drain, then the tunnel is closed
    kDraining,  // the tunnel was closed in order: what it received is delivered
  };

  // From the monitor.
  void on_grant(ipc::Grant& grant, UniqueFd socket);
  void on_services(const ipc::Services& message);
  void on_stop();
  // From the bridge.
  void on_bridge_end(ipc::Port::End end, const std::string& what);
  // Notes whether there was room for the descriptors of a message from the bridge.
  void note_room(bool room);
  void on_accepted(const ipc::Accepted& message, FdPair channel);
  void on_opening(const ipc::Opening& message, FdPair channel);
  void on_failed(const ipc::Failed& message);

  // From the handshake and the link.
  void on_upgraded(Upgraded upgraded);
  Result<> on_early_message(Bytes message);
  void on_link_end(const ipc::Down& end);
  // TunnelEvents.
  Connection* open(uint16_t service) override;
  void send(const wire::Message& message) override;
  void note(std::string text) override;
  // LocalChannelEvents.
  void on_local_end(LocalChannel& channel) override;
  void on_broken(LocalChannel& channel) override;
  void on_backlog(LocalChannel& channel, bool full) override;
  void on_stalled(LocalChannel& channel) override;
  void on_flushed(LocalChannel& channel) override;

  void announce(std::vector<std::string> services);
  void on_drain_deadline();
  LocalChannel* find(ConnectionNumber number);
  LocalChannel& add_channel(ConnectionNumber number, uint16_t service);
  // Removes a connection, and destroys it from the loop.
  void discard(LocalChannel& channel);
  void on_bridge_busy();
  void update_pause();
  void end_if_drained();
  void end_tunnel();
  // Closes the link, or exits at once if there is no link yet.
  void close(uint16_t code, ipc::Down end);
  void report_and_exit(const ipc::Down& end);
  bool ending() const { return phase_ == Phase::kStopping || phase_ == Phase::kDraining; }

  event::Loop& loop_;
  Log& log_;
  tls::Context& context_;
  ipc::Port& monitor_;
  ipc::Port bridge_;
  Phase phase_ = Phase::kNegotiating;
  bool bridge_gone_ = false;
  // What GRANT says.
  bool source_ = false;
  int version_ = 3;              // of the protocol, for what we send
  bool names_services_ = false;  // the service sends SERVICE_IDS
  uint32_t max_connections_ = 0;
  std::chrono::milliseconds stall_{0};  // 0: never
  std::chrono::milliseconds ping_period_{0};

  Sender sender_;
  std::unique_ptr<Handshake> handshake_;
  std::unique_ptr<Tunnel> tunnel_;
  std::unique_ptr<Link> link_;
  std::vector<std::string> early_;  // messages that arrived before SERVICES
  std::unordered_map<ConnectionNumber, std::unique_ptr<LocalChannel>> channels_;
  ConnectionNumber next_number_ = 1;  // destination: this process numbers them
  size_t full_ = 0;                   // connections whose backlog is full
  event::Deferred deferred_;          // what has ended
  ipc::Down end_;                     // kDraining: what DOWN will say
  event::Timer drain_;
  event::Timer services_deadline_;
  event::Timer bridge_busy_;  // while it runs, the bridge has to catch up
  TokenBucket opens_;
  bool breached_ = false;  // there were more
  event::Timer orphaned_;
  Episode no_room_;       // for descriptors
  event::Timer silence_;  // of the destination, while connections are open
  event::Timer trim_;
};

}  // namespace localproxy::net
