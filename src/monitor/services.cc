#include "monitor/services.h"

#include <algorithm>

#include "base/text.h"

namespace localproxy::monitor {
namespace {

std::string list(const std::vector<std::string>& ids) {
  return join(ids, ", ", [](const std::string& id) { return id.empty() ? "(one without an id)" : id; });
}

Error mismatch(config::Mode mode, const std::vector<config::ServiceMapping>& mappings,
               const std::vector<std::string>& tunnel) {
  std::vector<std::string> given;
  for (const auto& mapping : mappings)
    given.push_back(mapping.service);
  const std::string option = mode == config::Mode::kSource ? "-s" : "-d";
  return Error("the services do not match: the tunnel has " + list(tunnel) + "; " + option + " gives " +
               (given.empty() ? "none" : list(given)) + ". Give exactly the services of the tunnel, as in " +
               option + " " + (tunnel.front().empty() ? "" : tunnel.front() + "=") + "PORT");
}

}  // namespace

Result<Assignment> match_services(config::Mode mode, const std::vector<config::ServiceMapping>& mappings,
                                  const std::vector<std::string>& tunnel) {
  if (mode == config::Mode::kSource && mappings.empty()) return Assignment(tunnel.size());
  if (mappings.size() != tunnel.size()) return mismatch(mode, mappings, tunnel);
  // A port without a service id is for a tunnel's only service.
  if (mappings.size() == 1 && mappings.front().service.empty()) return Assignment{size_t{0}};
  Assignment assignment = find_known(mappings, tunnel);
  const bool complete =
      std::all_of(assignment.begin(), assignment.end(), [](const auto& index) { return index.has_value(); });
  if (!complete) return mismatch(mode, mappings, tunnel);
  return assignment;
}

std::vector<std::string> services_of_tunnel(const config::Config& config,
                                            const std::vector<std::string>& announced) {
  if (!announced.empty()) return announced;
  if (config.settings.subprotocol == "aws.iot.securetunneling-1.0" && config.services.size() == 1) {
    return {config.services.front().service};
  }
  return {""};
}

Result<> check_distinct(const std::vector<std::string>& tunnel) {
  for (auto id = tunnel.begin(); id != tunnel.end(); ++id) {
    if (std::find(tunnel.begin(), id, *id) != id)
      return Error("the tunnel has the service " + *id + " twice: " + list(tunnel));
  }
  return {};
}

Result<> check_version(config::Version version, const std::vector<std::string>& tunnel) {
  if (version != config::Version::kV1 || tunnel.size() == 1) return {};
  return Error(
      "-y V1 works with tunnels of one service, since version 1 cannot say which service is meant; this one "
      "has " +
      list(tunnel) + ". Use -y V2, or no -y if the destination is not older");
}

Assignment find_known(const std::vector<config::ServiceMapping>& known,
                      const std::vector<std::string>& tunnel) {
  Assignment assignment;
  for (const std::string& id : tunnel) {
    const auto found = std::find_if(known.begin(), known.end(), [&id](const config::ServiceMapping& mapping) {
      return mapping.service == id;
    });
    if (found == known.end()) {
      assignment.emplace_back();
    } else {
      assignment.emplace_back(static_cast<size_t>(found - known.begin()));
    }
  }
  return assignment;
}

}  // namespace localproxy::monitor
