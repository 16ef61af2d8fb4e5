// What a run still needs of this machine after its start, according to its configuration. The monitor's
// sandbox allows that and nothing else.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/config.h"

namespace localproxy::config {

// The directory of the token file that is read again; empty when there is none.
std::string token_directory(const Config& config);

// Whether a name to look up ends in .local, of which multicast DNS knows (RFC 6762).
bool looks_up_local_names(const Config& config);

// Whether the run makes UNIX sockets after its start: a destination for its services, and a source for those
// that it learns of when the tunnel is up.
bool makes_unix_sockets(const Config& config);

// The directories of the UNIX sockets that a source listens on.
std::vector<std::string> socket_directories(const Config& config);

// The UNIX sockets that a destination connects to, which may be links, and their directories: a service that
// is started again makes a new socket.
std::vector<std::string> target_sockets(const Config& config);

// The TCP ports of the tunnel's first hop, and of a destination's services.
std::vector<uint16_t> connect_ports(const Config& config);

// The TCP ports that a source listens on; those that it picks itself are not among them.
std::vector<uint16_t> bind_ports(const Config& config);

}  // namespace localproxy::config
