// The part of the supervisor that matches the services of the tunnel with what was asked for, and hands the
// bridge its listeners or targets. It runs once, when the tunnel is up for the first time.
#include <algorithm>
#include <utility>

#include "monitor/supervisor.h"

namespace localproxy::monitor {

bool Supervisor::assign_services(const std::vector<std::string>& tunnel) {
  const bool source = config_.mode == config::Mode::kSource;
  if (const auto fits = check_version(config_.destination_version, tunnel); !fits) {
    end(ExitStatus::kProtocol, fits.error().text());
    return false;
  }
  // Without a map, what the configuration directory knows of these services is the map.
  if (config_.services.empty()) {
    for (const auto& index : find_known(config_.known_services, tunnel)) {
      if (index) config_.services.push_back(config_.known_services[*index]);
    }
  }
  const bool partial = source && listeners_.empty();
  const Result<Assignment> assignment =
      partial ? find_known(config_.services, tunnel) : match_services(config_.mode, config_.services, tunnel);
  if (!assignment) {
    end(ExitStatus::kProtocol, assignment.error().text());
    return false;
  }
  services_ = tunnel;
  if (source) return assign_listeners(*assignment) && hand_over_listeners();
  std::vector<size_t> mappings;
  for (const auto& index : *assignment)
    mappings.push_back(index.value());
  targets_.set_mappings(std::move(mappings));
  hand_over_targets();
  return true;
}

// Binds for a service that the command line has no place for: the one of the configuration directory, or a
// free port. That is on one address: Landlock lets this process bind port 0, and not a port it has just
// learnt of.
Result<Listener> Supervisor::bind_late(std::optional<size_t> mapping) const {
  if (!mapping) return bind_listener({bind_addresses_.front()});
  const config::ServiceMapping& known = config_.services[*mapping];
  return bind_service(known, listen_addresses(known, bind_addresses_));
}

// Puts the listeners in the order of the tunnel's services, so that one index means the same everywhere, and
// binds those that were not asked for on the command line.
bool Supervisor::assign_listeners(const Assignment& assignment) {
  std::vector<Listener> ordered;
  for (const auto& index : assignment) {
    if (index && !listeners_.empty()) {
      ordered.push_back(std::move(listeners_[*index]));
      continue;
    }
    auto bound = bind_late(index);
    if (!bound) {
      end(ExitStatus::kCannotBind, bound.error().text());
      return false;
    }
    ordered.push_back(std::move(*bound));
  }
  listeners_ = std::move(ordered);
  return true;
}

bool Supervisor::hand_over_listeners() {
  for (size_t i = 0; i < listeners_.size(); ++i) {
    Listener& listener = listeners_[i];
    if (listener.stdio) {
      bridge_->port().send(ipc::Stdio{static_cast<uint16_t>(i)});
      continue;
    }
    for (const Address& address : listener.addresses)
      if (listener.port != 0) log_.info("Resolved bind IP: " + host_of(address));
    if (auto listening = start_listening(listener); !listening) {
      end(ExitStatus::kCannotBind, listening.error().text());
      return false;
    }
    const std::string name = listener.name();
    for (UniqueFd& socket : listener.sockets) {
      bridge_->port().send(ipc::Listener{static_cast<uint16_t>(i), {name}}, std::move(socket));
    }
    log_.info("Listening for new connection on " + name +
              (services_[i].empty() ? "" : " for service " + services_[i]));
  }
  return true;
}

void Supervisor::hand_over_targets() {
  for (size_t i = 0; i < services_.size(); ++i) {
    bridge_->port().send(ipc::Target{static_cast<uint16_t>(i)});
  }
}

}  // namespace localproxy::monitor
