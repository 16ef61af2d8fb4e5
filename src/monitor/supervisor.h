// The life of a run: the bridge, one tunnel connection after the other, and how it all ends.
#pragma once

#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/exit_status.h"
#include "base/token_bucket.h"
#include "config/config.h"
#include "event/loop.h"
#include "monitor/backoff.h"
#include "monitor/child.h"
#include "monitor/dialer.h"
#include "monitor/launcher.h"
#include "monitor/listeners.h"
#include "monitor/resolver.h"
#include "monitor/services.h"
#include "monitor/targets.h"

namespace localproxy::monitor {

class Supervisor {
 public:
  // listeners: one for each entry of config.services in source mode, bound. bind_addresses: of -b or
  // localhost.
  Supervisor(event::Loop& loop, StderrLog& log, config::Config config, Launcher& launcher,
             std::vector<Listener> listeners, std::vector<Address> bind_addresses);
  ~Supervisor();

  // Starts the bridge; the rest follows from the loop, which is stopped at the end.
  void begin();
  bool ended() const { return phase_ == Phase::kEnded; }
  // REQUIRES: ended().
  ExitStatus status() const { return status_; }
  // The launch process has ended, without having been told to.
  void on_launcher_end();

 private:
  enum class Phase : uint8_t {
    kStarting,     // the bridge enters its sandbox
    kConnecting,   // resolving, dialling
    kNegotiating,  // net: TLS, upgrade, services
    kUp,
    kWaiting,   // for the next try
    kStopping,  // told to end
    kEnded,
  };

  ipc::Setup make_setup(bool for_net) const;
  void connect();
  void dial(Result<Addresses> addresses);
  void start_net(Result<Connected> connected);
  void grant();
  void on_up(const ipc::Up& up);
  bool assign_services(const std::vector<std::string>& tunnel);
  bool assign_listeners(const Assignment& assignment);
  Result<Listener> bind_late(std::optional<size_t> mapping) const;
  bool hand_over_listeners();
  void hand_over_targets();
  void serve();
  void on_net_exit(const Exit& exit);
  void on_bridge_exit(const Exit& exit);
  void on_down(const ipc::Down& down);
  void retry(const std::string& why, bool crashed, std::chrono::seconds not_before = {});
  void on_dial(const ipc::Dial& dial);
  void on_dialed(uint32_t cookie, Result<Connected> connected);
  void on_counters(const ipc::Counters& counters);

  void on_stdio_ended(const ipc::StdioEnded& message);

  void stop();
  void on_stop_signal();
  void on_reload_signal();
  void end(ExitStatus status, const std::string& error = "");

  event::Loop& loop_;
  StderrLog& log_;
  config::Config config_;
  Launcher& launcher_;
  std::vector<Listener> listeners_;
  const std::vector<Address> bind_addresses_;
  const bool stdio_;       // standard input and output are a local client
  const std::string url_;  // wss://HOST:PORT

  Phase phase_ = Phase::kStarting;
  ExitStatus status_ = ExitStatus::kSuccess;
  std::unique_ptr<Child> bridge_;
  std::unique_ptr<Child> net_;
  Resolver resolver_;
  Targets targets_;
  std::unique_ptr<Dialer> dialer_;
  event::Deferred deferred_;
  UniqueFd socket_;   // connected, for the net that starts
  UniqueFd sibling_;  // the bridge's end of the channel to net, until the services match
  std::optional<ipc::Down> down_;
  std::vector<std::string> services_;  // by index, once they are known
  bool reload_ = false;

  TokenBucket dials_;
  bool dials_noted_ = false;
  Backoff backoff_;
  std::minstd_rand random_;
  int tries_ = 0;    // since the tunnel was last up
  int crashes_ = 0;  // of net, in a row
  std::chrono::steady_clock::time_point up_since_;
  event::Timer retry_timer_;
  event::Timer stop_timer_;
  event::Task wipe_task_;  // after each use of a token
  std::vector<std::unique_ptr<event::Signal>> signals_;
};

}  // namespace localproxy::monitor
