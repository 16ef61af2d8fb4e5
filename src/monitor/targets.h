// The local services of a destination. Serves the bridge's DIALs: connects to the service that the bridge
// names by its index, with retries, and hands it the socket.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/exhaustion.h"
#include "base/token_bucket.h"
#include "config/config.h"
#include "event/loop.h"
#include "monitor/child.h"
#include "monitor/dialer.h"
#include "monitor/resolver.h"

namespace localproxy::monitor {

class Targets {
 public:
  // from: the local addresses to connect from; empty: any.
  Targets(event::Loop& loop, Log& log, Resolver& resolver, const config::Config& config,
          std::vector<Address> from);

  // Starts to serve the bridge. A bridge that asks for what it may not have is killed.
  void serve(Child& bridge);
  // mappings[i]: the entry of -d for the service with index i. Tells the bridge.
  void set_mappings(const std::vector<size_t>& mappings);
  // Drops all dials.
  void cancel_all() { dials_.clear(); }

 private:
  // A row of the table: where a service is.
  struct TargetState {
    std::string name;  // as the log shows it
    std::string host;
    uint16_t port = 0;
    Addresses known;  // empty: the host needs a lookup
  };
  struct PendingDial {
    PendingDial(Targets& owner, uint32_t number, const TargetState& where)
        : cookie(number), target(where), retry(owner.loop_, [this, &owner] { owner.begin(*this); }) {}

    const uint32_t cookie;
    const TargetState& target;
    int tries = 0;
    Resolver::Question lookup;
    std::unique_ptr<Dialer> dialer;
    event::Timer retry;
  };

  void on_dial(const ipc::Dial& message);
  // False: no such service, or the cookie is in use.
  bool dial(uint16_t service, uint32_t cookie);
  void begin(PendingDial& dial);
  void connect(PendingDial& dial, Addresses addresses);
  void on_connected(PendingDial& dial, Connected connected);
  void on_failure(PendingDial& dial, const std::string& why);
  // The dial has met a shortage, which is not the fault of the service: it waits, and this does not count as
  // a try.
  void wait_for_resources(PendingDial& dial, const std::string& why);
  void enough_again();
  void retry_in(PendingDial& dial, std::chrono::milliseconds delay);
  // Removes a dial that has succeeded or failed; its dialer may be the caller.
  void end(PendingDial& dial);
  void send_failed(uint32_t cookie);

  event::Loop& loop_;
  Log& log_;
  Resolver& resolver_;
  const config::Config& config_;
  const std::vector<Address> from_;
  Child* bridge_ = nullptr;
  std::vector<TargetState> targets_;  // by the service's index
  std::map<uint32_t, std::unique_ptr<PendingDial>> dials_;
  event::Deferred deferred_;
  TokenBucket allowed_;
  bool flood_noted_ = false;  // the log has said that the bridge asks for too much
  bool refusing_ = false;     // the log has said that dials are refused
  Episode shortage_;
};

}  // namespace localproxy::monitor
