#include "monitor/targets.h"

#include <sys/socket.h>

#include <utility>

namespace localproxy::monitor {

bool Targets::dial(uint16_t service, uint32_t cookie) {
  if (service >= mappings_.size() || dials_.contains(cookie)) return false;
  // No breach of the bridge: what the source sent and then left behind is still to be delivered, and counts.
  if (dials_.size() >= mappings_.size() * config_.settings.max_connections) {
    const std::string what = "too many connections wait for a local service that does not answer";
    // Once: the reason may be a flood.
    if (!std::exchange(refusing_, true))
      log_.warning(what + "; a further one is refused, the source is told");
    loop_.later([this, cookie, what] { callback_(cookie, Error(what)); });
    return true;
  }
  refusing_ = false;
  const config::LocalAddress& target = config_.services[mappings_[service]].address;
  Dial dial;
  dial.target = &target;
  dial.name = target.kind == config::LocalAddress::Kind::kUnix
                  ? target.path
                  : (target.host.empty() ? "localhost" : target.host) + ":" + std::to_string(target.port);
  dials_.emplace(cookie, std::move(dial));
  attempt(cookie);
  return true;
}

void Targets::cancel(uint32_t cookie) {
  // Not from inside a callback of its dialer.
  if (auto node = dials_.extract(cookie))
    loop_.later([kept = std::make_shared<Dial>(std::move(node.mapped()))] {});
}

Targets::Dial* Targets::find(uint32_t cookie) {
  const auto found = dials_.find(cookie);
  return found == dials_.end() ? nullptr : &found->second;
}

void Targets::attempt(uint32_t cookie) {
  Dial* dial = find(cookie);
  if (dial == nullptr) return;
  ++dial->tries;
  if (dial->target->kind == config::LocalAddress::Kind::kUnix) {
    return connect(cookie, Addresses{unix_address(dial->target->path)});
  }
  const std::string host = dial->target->host.empty() ? "localhost" : dial->target->host;
  resolver_.resolve(host, dial->target->port,
                    [this, cookie](Result<Addresses> addresses) { connect(cookie, std::move(addresses)); });
}

void Targets::connect(uint32_t cookie, Result<Addresses> addresses) {
  Dial* dial = find(cookie);
  if (dial == nullptr) return;
  if (!addresses) return on_result(cookie, addresses.error());
  dial->dialer =
      std::make_unique<Dialer>(loop_, std::move(*addresses), from_,
                               [this, cookie](Result<Connected> r) { on_result(cookie, std::move(r)); });
}

void Targets::on_result(uint32_t cookie, Result<Connected> connected) {
  Dial* dial = find(cookie);
  if (dial == nullptr) return;
  if (connected) {
    const Address& address = connected->address;
    log_.info("Connected to " + (address.family() == AF_UNIX
                                     ? to_string(address)
                                     : host_of(address) + ", port: " + std::to_string(address.port())));
    cancel(cookie);
    return callback_(cookie, std::move(connected));
  }
  const int most = config_.settings.connect_tries;
  const std::string what =
      "cannot connect to the local service at " + dial->name + ": " + connected.error().text();
  if (most >= 0 && dial->tries >= most) {
    log_.error(what + "; given up after " + std::to_string(dial->tries) +
               (dial->tries == 1 ? " try" : " tries") + ", the source is told");
    cancel(cookie);
    return callback_(cookie, Error(what));
  }
  log_.warning(what + "; next try in " + std::to_string(config_.settings.connect_retry_delay.count()) +
               " ms");
  // The dialer and the old timer may be calling: they are replaced when the loop is back.
  loop_.later([this, cookie] {
    Dial* again = find(cookie);
    if (again == nullptr) return;
    again->dialer.reset();
    again->retry = std::make_unique<event::Timer>(loop_, [this, cookie] { attempt(cookie); });
    again->retry->start(config_.settings.connect_retry_delay);
  });
}

}  // namespace localproxy::monitor
