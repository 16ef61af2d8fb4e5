// What is done on this machine before the sandbox: what the starter left is set right, names are looked up,
// listeners bound.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "config/config.h"
#include "event/loop.h"
#include "monitor/launcher.h"
#include "monitor/listeners.h"
#include "monitor/resolver.h"

namespace localproxy::monitor {

// Makes sure that descriptors 0, 1 and 2 are taken, whatever the starter closed: what is opened next would
// get their numbers, and log lines would be written into it. Reading and writing those that were closed fails
// as before. REQUIRES: nothing is open yet but what was inherited. False: there is no /dev/null.
bool fill_standard_descriptors();

// Lets this process and its helpers have as many descriptors, of which each connection takes several, and as
// much locked memory as the system lets an ordinary process have.
void raise_limits();
// Whether a run with so many services can start at all; an error says which limit to raise, and to what.
Result<> check_descriptors(size_t services);

// What the launch process is told. user, group: whom to become when root starts it, or 0.
ipc::Setup launcher_setup(const config::Config& config, uid_t user, gid_t group);

// Whether a service is standard input and output.
bool uses_stdio(const config::Config& config);

class Startup {
 public:
  // on_change: called from the loop when a lookup has ended.
  Startup(const config::Config& config, Resolver& resolver, event::Callback on_change)
      : config_(config), resolver_(resolver), on_change_(std::move(on_change)) {}

  // Begins to look up the names that listening needs.
  void look_up_names();
  bool has_names() const { return waiting_ == 0; }

  // The addresses of -b, or of localhost. A name whose lookup has not ended is an error.
  Result<std::vector<Address>> bind_addresses() const;
  // Binds everything that a source was asked to listen on: a busy port is noticed before the token is used.
  Result<std::vector<ServiceListener>> bind_all(const std::vector<Address>& on) const;

 private:
  std::string bind_host() const;
  void look_up(const std::string& host);
  Result<std::vector<Address>> addresses_of(const std::string& host, const std::string& option) const;

  const config::Config& config_;
  Resolver& resolver_;
  event::Callback on_change_;
  std::vector<Resolver::Question> questions_;
  size_t waiting_ = 0;
  std::map<std::string, Result<Addresses>> found_;
};

// Makes the files of UNIX sockets another user's. REQUIRES: root.
Result<> give_away(const std::vector<ServiceListener>& listeners, uid_t user, gid_t group);

}  // namespace localproxy::monitor
