// One attempt at a tunnel connection: looks the service (or the web proxy) up, dials, starts a net process,
// hands it the socket and the tokens, and listens to it until it ends. Then the attempt is over: for another
// one its owner destroys it and makes a new one. No part of an attempt is used twice.
//
// A net process takes longer to start than most connections to be made. prepare() starts it first.
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

  // Why the attempt ended.
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
    // The tunnel is up and has these services, as net reports. serve() comes next.
    std::function<void(const std::vector<std::string>& announced)> on_up;
    // Called last, from the loop. It must not destroy the attempt.
    std::function<void(const End& end)> on_end;
  };

  // The configuration must not change while the attempt connects.
  Attempt(event::Loop& loop, StderrLog& log, const config::Config& config, Launcher& launcher,
          Resolver& resolver, Events events);
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  // Starts net, which then waits for the connection. Optional: otherwise net starts when the connection
  // stands, and costs nothing when there is none.
  void prepare();
  // Looks up and dials. Called once.
  void connect();

  // From now on net serves connections of these services. Returns the bridge's end of the channel to it.
  UniqueFd serve(const std::vector<std::string>& services);
  // How long ago that was; empty before it.
  std::optional<Clock::duration> served() const;

  // Tells net to end, which on_end() reports. False: there is no net; destroying the attempt is enough.
  [[nodiscard]] bool stop();

 private:
  enum class Phase : uint8_t {
    kIdle,         // before connect()
    kConnecting,   // resolves, dials, and waits until net is in its sandbox
    kNegotiating,  // it has the secrets: TLS, upgrade, services
    kServing,
    kStopping,  // told to end
    kEnded,
  };

  void on_resolved(Result<Addresses> addresses, const std::string& host);
  void dial(Addresses addresses);
  void on_connected(Connected connected);
  Result<> start_net();
  // When the connection stands and net is in its sandbox.
  void grant_if_complete();
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
  Phase phase_ = Phase::kIdle;
  Resolver::Question lookup_;
  std::unique_ptr<Dialer> dialer_;
  UniqueFd socket_;   // connected, for net
  UniqueFd sibling_;  // the bridge's end of the channel to net, until serve()
  std::unique_ptr<Child> net_;
  std::optional<Exit> early_exit_;  // of net, before connect()
  event::Task report_early_exit_;
  std::optional<ipc::Down> down_;
  std::optional<Clock::time_point> serving_since_;
};

}  // namespace localproxy::monitor
