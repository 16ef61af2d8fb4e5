#include "config/needs.h"

#include <algorithm>
#include <string_view>

#include "base/text.h"
#include "config/web_proxy.h"

namespace localproxy::config {
namespace {

using Kind = LocalAddress::Kind;

// The addresses of this kind, of services that the tunnel has or may have.
std::vector<LocalAddress> addresses_of(const Config& config, Kind kind) {
  std::vector<LocalAddress> addresses;
  for (const auto* mappings : {&config.services, &config.known_services})
    for (const ServiceMapping& mapping : *mappings)
      if (mapping.address.kind == kind) addresses.push_back(mapping.address);
  return addresses;
}

bool is_local_name(std::string_view host) {
  static constexpr std::string_view kLocal = ".local";
  if (host.ends_with('.')) host.remove_suffix(1);
  return host.size() > kLocal.size() && equal_ignoring_case(host.substr(host.size() - kLocal.size()), kLocal);
}

std::vector<std::string> directories_of_sockets(const Config& config) {
  std::vector<std::string> directories;
  for (const LocalAddress& address : addresses_of(config, Kind::kUnix))
    directories.push_back(address.path.substr(0, address.path.rfind('/') + 1));
  return directories;
}

}  // namespace

std::string token_directory(const Config& config) {
  const std::string& file = config.access_token_file;
  return file.substr(0, file.rfind('/') + 1);
}

bool looks_up_local_names(const Config& config) {
  if (is_local_name(first_hop(config).host) || is_local_name(config.bind_address)) return true;
  return std::ranges::any_of(addresses_of(config, Kind::kTcp),
                             [](const LocalAddress& address) { return is_local_name(address.host); });
}

bool makes_unix_sockets(const Config& config) {
  const bool bound_at_start = config.mode == Mode::kSource && !config.services.empty();
  return !bound_at_start && !addresses_of(config, Kind::kUnix).empty();
}

std::vector<std::string> socket_directories(const Config& config) {
  return config.mode == Mode::kSource ? directories_of_sockets(config) : std::vector<std::string>();
}

std::vector<std::string> target_sockets(const Config& config) {
  if (config.mode != Mode::kDestination) return {};
  std::vector<std::string> sockets = directories_of_sockets(config);
  for (const LocalAddress& address : addresses_of(config, Kind::kUnix))
    sockets.push_back(address.path);
  return sockets;
}

std::vector<uint16_t> connect_ports(const Config& config) {
  std::vector<uint16_t> ports{first_hop(config).port};
  if (config.mode != Mode::kDestination) return ports;
  for (const LocalAddress& address : addresses_of(config, Kind::kTcp))
    ports.push_back(address.port);
  return ports;
}

std::vector<uint16_t> bind_ports(const Config& config) {
  std::vector<uint16_t> ports;
  if (config.mode != Mode::kSource) return ports;
  for (const LocalAddress& address : addresses_of(config, Kind::kTcp))
    ports.push_back(address.port);
  return ports;
}

}  // namespace localproxy::config
