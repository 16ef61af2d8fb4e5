// What is done on this machine between the configuration and the sandbox: names are looked up, listeners
// bound.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "config/config.h"
#include "event/loop.h"
#include "monitor/launcher.h"
#include "monitor/listeners.h"
#include "sandbox/ids.h"

namespace localproxy {

// What the launch process is told. ids: whom to become, when it is started by root.
ipc::Setup launcher_setup(const config::Config& config, const std::optional<sandbox::Ids>& ids);

// Whether a service is standard input and output.
bool uses_stdio(const config::Config& config);

class Startup {
 public:
  Startup(const config::Config& config, event::Loop& loop, monitor::StderrLog& log,
          monitor::Launcher& launcher)
      : config_(config), loop_(loop), log_(log), launcher_(launcher) {}

  // The addresses of -b, or of localhost.
  Result<std::vector<Address>> bind_addresses() const;
  // Binds everything that a source was asked to listen on: a busy port is noticed before the token is used.
  Result<std::vector<monitor::Listener>> bind_all(const std::vector<Address>& on) const;

 private:
  Result<std::vector<Address>> look_up(const std::string& host, const std::string& option) const;

  const config::Config& config_;
  event::Loop& loop_;
  monitor::StderrLog& log_;
  monitor::Launcher& launcher_;
};

// Makes the files of UNIX sockets another user's. REQUIRES: root.
Result<> give_away(const std::vector<monitor::Listener>& listeners, const sandbox::Ids& ids);

}  // namespace localproxy
