#include "config/web_proxy.h"
#include "main/reach.h"

namespace localproxy {

sandbox::LandlockRules monitor_reach(const config::Config& config) {
  sandbox::LandlockRules rules;
  // Its end is the signal that ends launch, which is not in its domain. Its filter has no call that signals.
  rules.scope_signals = false;
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
