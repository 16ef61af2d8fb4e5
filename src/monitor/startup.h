// What is done on this machine before the sandbox: sets right what the parent left, looks up names, binds
// listeners.
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

// Makes sure that descriptors 0, 1 and 2 are open, even if the parent closed them: otherwise the next file to
// be opened would get such a number, and log lines would be written into it. Reading and writing those that
// were closed still fails. REQUIRES: only inherited descriptors are open. False: there is no /dev/null.
bool fill_standard_descriptors();

// Raises the limits of this process and its helpers, for descriptors (each connection takes several) and for
// locked memory, to what the system allows an ordinary process.
void raise_limits();
// Whether a run with so many services can start at all; an error says which limit to raise, and to what.
Result<> check_descriptors(size_t services);

// The first message to the launch process. user, group: what to become when root starts it, or 0.
ipc::Setup launcher_setup(const config::Config& config, uid_t user, gid_t group);

// Whether a service is standard input and output.
bool uses_stdio(const config::Config& config);

class Startup {
 public:
  // on_change: called from the loop when a lookup has ended.
  Startup(const config::Config& config, Resolver& resolver, event::Callback on_change)
      : config_(config), resolver_(resolver), on_change_(std::move(on_change)) {}

  // Starts to look up the names that listening needs.
  void look_up_names();
  bool has_names() const { return waiting_ == 0; }

  // The addresses of -b, or of localhost. A name whose lookup has not ended is an error.
  Result<std::vector<Address>> bind_addresses() const;
  // A warning for each name to listen on that stands for every address of this machine, as 0.0.0.0 does: the
  // command line does not show that.
  std::vector<std::string> warnings() const;
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

// Gives the files of UNIX sockets to another user. REQUIRES: root.
Result<> give_away(const std::vector<ServiceListener>& listeners, uid_t user, gid_t group);

}  // namespace localproxy::monitor
