// Which entry of -s or -d belongs to which service of the tunnel.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "config/config.h"

namespace localproxy::monitor {

// For each service of the tunnel, in its order: the index of its mapping, or empty when a source has none and
// picks a free port.
using Assignment = std::vector<std::optional<size_t>>;

// tunnel: the ids in SERVICE_IDS; a tunnel opened without services has one, with an empty id. An error says
// what the tunnel has and what was given.
Result<Assignment> match_services(config::Mode mode, const std::vector<config::ServiceMapping>& mappings,
                                  const std::vector<std::string>& tunnel);

// The services of the tunnel: the ids in SERVICE_IDS, or one without an id if it was opened without services.
// Subprotocol 1.0 has no SERVICE_IDS; with it the only entry of -s or -d is for the tunnel's only service.
std::vector<std::string> services_of_tunnel(const config::Config& config,
                                            const std::vector<std::string>& announced);

// An error when two services of the tunnel have the same id: each needs an entry and a listener of its own.
Result<> check_distinct(const std::vector<std::string>& tunnel);

// An error when messages of that version cannot say which service of the tunnel they are for.
Result<> check_version(config::Version version, const std::vector<std::string>& tunnel);

// For the services of the tunnel that a configuration directory knows: the index of each in `known`.
Assignment find_known(const std::vector<config::ServiceMapping>& known,
                      const std::vector<std::string>& tunnel);

}  // namespace localproxy::monitor
