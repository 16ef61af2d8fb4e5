// One attempt at a tunnel connection: looks the service (or the web proxy) up, dials, starts a net process,
// hands it the socket and the tokens, and hears from it until it has ended. Then it is over: who wants
// another one destroys it and makes a new one. Nothing of it is used twice.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "event/loop.h"
#include "monitor/dialer.h"
#include "monitor/launcher.h"
#include "monitor/resolver.h"

namespace localproxy::monitor {

class Attempt {
 public:
  using Clock = std::chrono::steady_clock;

  // What has ended it.
  enum class Reason : uint8_t {
    kNotResolved,
    kNotConnected,
    kNoProcess,  // net could not be started
    kExit,       // net ended, and did not say why
    kDown,       // net said why, and ended
  };
  struct End {
    Reason reason;
    std::string text = {};  // for the log; empty with kDown
    Exit exit = {};         // with kExit and kDown
    ipc::Down down = {};    // with kDown
  };
  struct Events {
    std::function<void()> on_secrets_used;
    // The tunnel has these services, as net says. Next is serve().
    std::function<void(const std::vector<std::string>& announced)> on_up;
    // Called last, from the loop. It must not destroy the attempt.
    std::function<void(const End& end)> on_end;
  };

  // The configuration must not change while it lives.
  Attempt(event::Loop& loop, StderrLog& log, const config::Config& config, Launcher& launcher,
          Resolver& resolver, Events events);
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  // From now on net serves connections of these services. Returns the bridge's end of the channel to it.
  UniqueFd serve(const std::vector<std::string>& services);
  // How long ago that was; empty: it has not been.
  std::optional<Clock::duration> served() const;

  // Tells net to end, which on_end() reports. False: there is no net; destroying the attempt is enough.
  [[nodiscard]] bool stop();

 private:
  enum class Phase : uint8_t {
    kResolving,
    kDialling,
    kStarting,     // net enters its sandbox
    kNegotiating,  // it has the secrets: TLS, upgrade, services
    kServing,
    kStopping,  // told to end
    kEnded,
  };

  void resolve();
  void dial(Addresses addresses);
  void on_connected(Connected connected);
  Result<> start_net();
  void grant();
  void on_up(const ipc::Up& up);
  void on_down(const ipc::Down& down);
  void on_exit(const Exit& exit);
  void end(const End& how);

  event::Loop& loop_;
  StderrLog& log_;
  const config::Config& config_;
  Launcher& launcher_;
  Resolver& resolver_;
  const Events events_;
  Phase phase_ = Phase::kResolving;
  Resolver::Question lookup_;
  std::unique_ptr<Dialer> dialer_;
  UniqueFd socket_;   // connected, for the net that starts
  UniqueFd sibling_;  // the bridge's end of the channel to net, until serve()
  std::unique_ptr<Child> net_;
  std::optional<ipc::Down> down_;
  std::optional<Clock::time_point> serving_since_;
};

}  // namespace localproxy::monitor
