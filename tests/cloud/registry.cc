#include "registry.h"

#include <algorithm>
#include <set>

#include "bounds.h"
#include "files.h"

namespace localproxy::service {
namespace {

bool is_tunnel_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
  });
}

Refusal invalid_access_token(std::string_view why) {
  return {403, "Invalid access token: " + std::string(why)};
}

}  // namespace

bool is_service_id(std::string_view id) {
  return !id.empty() && id.size() <= bounds::kServiceId && std::all_of(id.begin(), id.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == ':' ||
           c == '_' || c == '-';
  });
}

Result<Tunnel*> Registry::open(const std::string& name, const std::vector<std::string>& services) {
  if (!is_tunnel_name(name)) return Error("'" + name + "' is no tunnel name: letters, digits, - and _");
  if (services.size() > bounds::kServices) return Error("too many services");
  for (const std::string& id : services) {
    if (!is_service_id(id)) return Error("'" + id + "' is no service id");
  }
  if (std::set<std::string>(services.begin(), services.end()).size() != services.size()) {
    return Error("a service id comes twice");
  }
  std::unique_ptr<Tunnel>& slot = tunnels_[name];
  if (slot != nullptr && !slot->closed()) return Error("tunnel " + name + " is open");
  if (slot != nullptr) former_.push_back(std::move(slot));
  slot = std::make_unique<Tunnel>(name, services, journal_);
  for (const Side side : {Side::kSource, Side::kDestination}) {
    if (auto issued = issue(*slot, side); !issued) return issued.error();
  }
  return slot.get();
}

Result<> Registry::issue(Tunnel& tunnel, Side side) {
  Credential fresh{.token = random_token(bounds::kTokenBytes), .used = false, .client_token = {}};
  const std::string path = directory_ + "/" + tunnel.name() + "." + std::string(to_string(side)) + ".token";
  if (auto written = write_atomically(path, fresh.token, 0600); !written) return written.error();
  tunnel.seat(side).credential = std::move(fresh);
  return {};
}

Tunnel* Registry::find(std::string_view name) const {
  const auto found = tunnels_.find(name);
  return found == tunnels_.end() ? nullptr : found->second.get();
}

std::variant<Tunnel*, Refusal> Registry::admit(const Upgrade& upgrade) {
  Tunnel* tunnel = nullptr;
  Side side = Side::kSource;
  for (const auto& [name, candidate] : tunnels_) {
    for (const Side seat : {Side::kSource, Side::kDestination}) {
      if (candidate->seat(seat).credential.token != upgrade.access_token) continue;
      tunnel = candidate.get();
      side = seat;
    }
  }
  if (tunnel == nullptr) return invalid_access_token("The access token is not known");
  if (side != upgrade.side) return invalid_access_token("The access token is not for this local-proxy-mode");
  if (tunnel->closed()) return invalid_access_token("The tunnel is closed");
  Credential& credential = tunnel->seat(side).credential;
  if (auto wrong = check_client_token(upgrade, credential)) return std::move(*wrong);
  // 1.0 has no serviceId, so a stream could not name its service.
  if (upgrade.version < 2 && tunnel->services().size() > 1) {
    return Refusal{400, "Sec-WebSocket-Protocol is not supported: The tunnel has several services"};
  }
  credential.used = true;
  if (upgrade.client_token) credential.client_token = *upgrade.client_token;
  return tunnel;
}

std::optional<Refusal> Registry::check_client_token(const Upgrade& upgrade,
                                                    const Credential& credential) const {
  if (credential.used) {
    if (credential.client_token.empty()) {
      return invalid_access_token("The access token was previously used and cannot be used again");
    }
    if (upgrade.client_token != credential.client_token) {
      return Refusal{403, "Invalid client token: The client token is not the one that was used before"};
    }
    return std::nullopt;
  }
  if (!upgrade.client_token) return std::nullopt;
  for (const auto& [name, tunnel] : tunnels_) {
    if (tunnel->closed()) continue;
    for (const Side side : {Side::kSource, Side::kDestination}) {
      if (tunnel->seat(side).credential.client_token == *upgrade.client_token) {
        return Refusal{403, "Invalid client token: The client token is in use with another access token"};
      }
    }
  }
  return std::nullopt;
}

}  // namespace localproxy::service
