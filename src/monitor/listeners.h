// What a source listens on: bound before it asks for the tunnel, listening once the tunnel is up.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/fd.h"
#include "base/result.h"
#include "config/config.h"
#include "monitor/services.h"
#include "monitor/socket_file.h"

namespace localproxy::monitor {

// The sockets of a service: one UNIX socket, or one TCP socket, or for localhost one TCP socket of each
// family with the same port. None for standard input and output.
struct ServiceListener {
  std::vector<UniqueFd> sockets;
  std::vector<Address> addresses;
  uint16_t port = 0;  // 0: not TCP
  SocketFile file;    // of a UNIX socket
  bool stdio = false;

  // As the log names it: "port 5555", "/run/x.sock", "standard input and output".
  std::string name() const;
};

// Where a source listens for a service: on the address of its own host, or on `otherwise`. Empty if its host
// is a name.
std::vector<Address> listen_addresses(const config::ServiceMapping& mapping,
                                      const std::vector<Address>& otherwise);

// Binds the address of a mapping, a port on all of `on`.
Result<ServiceListener> bind_service(const config::ServiceMapping& mapping, std::vector<Address> on);

// Binds the port (0: a free one) on the addresses. Of several addresses (localhost) it skips those that this
// machine does not have. An error names the address and what to do.
Result<ServiceListener> bind_listener(std::vector<Address> addresses);

// Binds a UNIX socket.
Result<ServiceListener> bind_unix_listener(const std::string& path);

// The listeners of the tunnel's services, in their order, so that one index means the same everywhere.
// `bound`: those of the command line, in the order of `services`. The others are bound here, where the
// configuration directory says, or on a free port of the first of `addresses`. Only of the first: Landlock
// lets this process bind port 0, but not a port that it has just learnt.
Result<std::vector<ServiceListener>> assign_listeners(std::vector<ServiceListener> bound,
                                                      const Assignment& assignment,
                                                      const std::vector<config::ServiceMapping>& services,
                                                      const std::vector<Address>& addresses);

// Lets clients connect; they wait until they are accepted.
Result<> start_listening(const ServiceListener& listener);

}  // namespace localproxy::monitor
