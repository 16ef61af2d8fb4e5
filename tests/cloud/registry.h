// The tunnels by name, their access tokens, and the rules for using them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "handshake.h"
#include "journal.h"
#include "tunnel.h"

namespace localproxy::service {

class Registry {
 public:
  // Token files are written to that directory.
  Registry(std::string directory, Journal& journal) : directory_(std::move(directory)), journal_(journal) {}

  // OpenTunnel. A closed tunnel's name may be used again.
  Result<Tunnel*> open(const std::string& name, const std::vector<std::string>& services);
  // Makes a new access token for one seat; the old one becomes invalid.
  Result<> issue(Tunnel& tunnel, Side side);
  // nullptr: the tunnel does not exist.
  Tunnel* find(std::string_view name) const;
  const std::map<std::string, std::unique_ptr<Tunnel>, std::less<>>& tunnels() const { return tunnels_; }

  // The token's owner, if it may be used for that upgrade. Binds access token and client token to each other.
  std::variant<Tunnel*, Refusal> admit(const Upgrade& upgrade);

 private:
  std::optional<Refusal> check_client_token(const Upgrade& upgrade, const Credential& credential) const;

  std::string directory_;
  Journal& journal_;
  std::map<std::string, std::unique_ptr<Tunnel>, std::less<>> tunnels_;
  // Closed tunnels whose names are in use again; their proxies may not have left yet.
  std::vector<std::unique_ptr<Tunnel>> former_;
};

bool is_service_id(std::string_view id);

}  // namespace localproxy::service
