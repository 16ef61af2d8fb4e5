// The ports that a source listens on: bound before the tunnel is asked for, listening once it is up.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/fd.h"
#include "base/result.h"
#include "config/config.h"

namespace localproxy::monitor {

// A service's sockets: one, or one a family for localhost, all of the same port.
struct Listener {
  std::vector<UniqueFd> sockets;
  std::vector<Address> addresses;
  uint16_t port = 0;
};

// Where a source listens for a service: on the addresses of its own host, or of `otherwise`, with its port.
// Empty: its host is a name, and names are not looked up for this.
std::vector<Address> listen_addresses(const config::ServiceMapping& mapping,
                                      const std::vector<Address>& otherwise);

// Binds the port (0: a free one) on the addresses. Of several addresses (localhost) those that this machine
// does not have are left out. An error names the address and what to do.
Result<Listener> bind_listener(std::vector<Address> addresses);

// From now on clients may connect; they wait until they are accepted.
Result<> start_listening(const Listener& listener);

}  // namespace localproxy::monitor
