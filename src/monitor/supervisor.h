// The life of a run: the bridge, one attempt at a tunnel connection after the other, and how it all ends.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/exit_status.h"
#include "config/config.h"
#include "event/loop.h"
#include "monitor/attempt.h"
#include "monitor/backoff.h"
#include "monitor/launcher.h"
#include "monitor/listeners.h"
#include "monitor/resolver.h"
#include "monitor/services.h"
#include "monitor/targets.h"

namespace localproxy::monitor {

// What SIGHUP means to this run.
enum class HangUp : uint8_t {
  kReloads,  // as daemons take it
  kEnds,     // a terminal is among the standard streams, and the signal says that it is gone
  kIgnored,  // the signal was ignored at the start, as nohup(1) does
};

class Supervisor {
 public:
  // listeners: one for each entry of config.services in source mode, bound. bind_addresses: of -b or
  // localhost.
  Supervisor(event::Loop& loop, StderrLog& log, config::Config config, Launcher& launcher,
             std::vector<ServiceListener> listeners, std::vector<Address> bind_addresses, HangUp hang_up);
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Has the launch process start the bridge and the first net. The rest happens in the loop, which is stopped
  // at the end of the run.
  void begin();
  bool ended() const { return phase_ == Phase::kEnded; }
  // REQUIRES: ended().
  ExitStatus status() const { return status_; }
  // The launch process has ended without being told to.
  void on_launcher_end();

 private:
  enum class Phase : uint8_t {
    kStarting,  // the bridge enters its sandbox
    kTrying,    // there is an attempt
    kWaiting,   // for the next one
    kStopping,  // told to stop; the attempt, if there is one, ends first
    kEnded,
  };

  void on_bridge_exit(const Exit& exit);
  void on_counters(const ipc::Counters& counters);
  void on_stdio_ended(const ipc::StdioEnded& message);

  std::unique_ptr<Attempt> make_attempt();
  void connect();
  void on_up(const std::vector<std::string>& announced);
  bool assign_services(const std::vector<std::string>& tunnel);
  bool hand_over_listeners();
  void on_attempt_end(const Attempt::End& how);
  void on_down(const ipc::Down& down);
  // If the attempt served, the bridge accepts no more clients.
  void stop_accepting();
  void retry(const std::string& why, bool crashed, std::chrono::seconds not_before = {});

  void on_stop_signal();
  void reload();
  Result<> read_token_again();
  void stop();
  void end(ExitStatus status, const std::string& error = "");

  event::Loop& loop_;
  StderrLog& log_;
  config::Config config_;
  Launcher& launcher_;
  std::vector<ServiceListener> listeners_;
  const std::vector<Address> bind_addresses_;
  const bool stdio_;  // standard input and output are a local client

  Phase phase_ = Phase::kStarting;
  ExitStatus status_ = ExitStatus::kSuccess;
  Resolver resolver_;
  std::unique_ptr<Child> bridge_;
  unsigned counts_asked_ = 0;  // COUNTs without an answer yet
  Targets targets_;
  std::unique_ptr<Attempt> attempt_;
  event::Deferred deferred_;
  std::vector<std::string> services_;  // by index, once they are known

  Backoff backoff_;
  std::minstd_rand random_;
  int tries_ = 0;    // since the tunnel was last up
  int crashes_ = 0;  // of net, in a row
  event::Timer retry_timer_;
  event::Timer stop_timer_;
  event::Task wipe_task_;  // after each use of a token
  std::vector<std::unique_ptr<event::Signal>> signals_;
};

}  // namespace localproxy::monitor
