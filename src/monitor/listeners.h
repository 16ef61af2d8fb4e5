// What a source listens on: bound before the tunnel is asked for, listening once it is up.
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

// A service's sockets: one UNIX socket, or one TCP socket, or one a family for localhost, all of the same
// port. None for standard input and output.
struct ServiceListener {
  std::vector<UniqueFd> sockets;
  std::vector<Address> addresses;
  uint16_t port = 0;  // 0: not TCP
  SocketFile file;    // of a UNIX socket
  bool stdio = false;

  // As the log names it: "port 5555", "/run/x.sock", "standard input and output".
  std::string name() const;
};

// Where a source listens for a service: on the address of its own host, or on `otherwise`. Empty: its host is
// a name.
std::vector<Address> listen_addresses(const config::ServiceMapping& mapping,
                                      const std::vector<Address>& otherwise);

// Binds what a mapping says; its port on all of `on`.
Result<ServiceListener> bind_service(const config::ServiceMapping& mapping, std::vector<Address> on);

// Binds the port (0: a free one) on the addresses. Of several addresses (localhost) those that this machine
// does not have are left out. An error names the address and what to do.
Result<ServiceListener> bind_listener(std::vector<Address> addresses);

// Binds a UNIX socket.
Result<ServiceListener> bind_unix_listener(const std::string& path);

// The listeners of the tunnel's services, in their order, so that one index means the same everywhere.
// `bound`: those of the command line, which `services` are. What is not among them is bound: where the
// configuration directory says, or on a free port of the first of `addresses`. That is on one address:
// Landlock lets this process bind port 0, and not a port it has just learnt of.
Result<std::vector<ServiceListener>> assign_listeners(std::vector<ServiceListener> bound,
                                                      const Assignment& assignment,
                                                      const std::vector<config::ServiceMapping>& services,
                                                      const std::vector<Address>& addresses);

// From now on clients may connect; they wait until they are accepted.
Result<> start_listening(const ServiceListener& listener);

}  // namespace localproxy::monitor
