#include "main/startup.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "config/web_proxy.h"
#include "monitor/local_names.h"

namespace localproxy {

ipc::Setup launcher_setup(const config::Config& config, const std::optional<sandbox::Ids>& ids) {
  ipc::Setup setup;
  setup.parent_pid = static_cast<uint32_t>(::getpid());
  setup.log_level = static_cast<uint8_t>(config.verbosity);
  setup.landlock = config.landlock;
  setup.ca_paths.value = config.ca_paths;
  setup.ca_file.value = config.ca_file;
  if (ids) {
    setup.user = ids->uid;
    setup.group = ids->gid;
  }
  return setup;
}

bool uses_stdio(const config::Config& config) {
  return std::ranges::any_of(config.services, [](const config::ServiceMapping& mapping) {
    return mapping.address.kind == config::LocalAddress::Kind::kStdio;
  });
}

Result<std::vector<Address>> Startup::bind_addresses() const {
  return look_up(config_.bind_address.empty() ? "localhost" : config_.bind_address, "-b");
}

Result<std::vector<monitor::Listener>> Startup::bind_all(const std::vector<Address>& on) const {
  std::vector<monitor::Listener> listeners;
  if (config_.mode != config::Mode::kSource) return listeners;
  for (const config::ServiceMapping& mapping : config_.services) {
    const std::string& host = mapping.address.host;
    auto addresses = host.empty() ? on : look_up(host, "-s");
    if (!addresses) return addresses.error();
    auto listener = monitor::bind_service(mapping, *addresses);
    if (!listener) return listener.error();
    listeners.push_back(std::move(*listener));
  }
  return listeners;
}

Result<std::vector<Address>> Startup::look_up(const std::string& host, const std::string& option) const {
  ipc::Setup setup;
  setup.parent_pid = static_cast<uint32_t>(launcher_.pid());
  setup.log_level = static_cast<uint8_t>(config_.verbosity);
  setup.landlock = config_.landlock;
  auto addresses = monitor::local_addresses(host, loop_, log_, launcher_, setup);
  if (!addresses) return Error(option + ": " + addresses.error().text());
  return addresses;
}

Result<> give_away(const std::vector<monitor::Listener>& listeners, const sandbox::Ids& ids) {
  for (const monitor::Listener& listener : listeners) {
    if (listener.file.path().empty()) continue;
    if (auto given = listener.file.give_to(ids.uid, ids.gid); !given) return given;
  }
  return {};
}

sandbox::LandlockRules monitor_reach(const config::Config& config) {
  sandbox::LandlockRules rules;
  if (!config.access_token_file.empty()) {
    // The directory: a token is often renewed by renaming a new file over the old one.
    const size_t slash = config.access_token_file.rfind('/');
    rules.read.push_back(slash == std::string::npos ? "." : config.access_token_file.substr(0, slash + 1));
  }
  rules.connect_ports = {config::first_hop(config).port};
  // 0: free ports, for a source without a map and for connecting from a given address.
  rules.bind_ports = {0};
  const bool source = config.mode == config::Mode::kSource;
  for (const auto* mappings : {&config.services, &config.known_services}) {
    for (const config::ServiceMapping& mapping : *mappings) {
      const config::LocalAddress& address = mapping.address;
      if (address.kind == config::LocalAddress::Kind::kTcp) {
        (source ? rules.bind_ports : rules.connect_ports).push_back(address.port);
      } else if (address.kind == config::LocalAddress::Kind::kUnix && source) {
        rules.make_sockets.push_back(address.path.substr(0, address.path.rfind('/') + 1));
      }
    }
  }
  return rules;
}

}  // namespace localproxy
