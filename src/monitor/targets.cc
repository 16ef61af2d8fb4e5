#include "monitor/targets.h"

#include <sys/socket.h>

#include <utility>

#include "base/limits.h"

namespace localproxy::monitor {
namespace {

constexpr const char* kTooMany = "too many connections wait for a local service that does not answer";

}  // namespace

bool Targets::dial(uint16_t service, uint32_t cookie) {
  if (service >= mappings_.size() || dials_.contains(cookie)) return false;
  // No breach of the bridge: what the source sent and then left behind is still to be delivered, and counts.
  if (dials_.size() >= mappings_.size() * config_.settings.max_connections) {
    // Once: the reason may be a flood.
    if (!std::exchange(refusing_, true))
      log_.warning(std::string(kTooMany) + "; a further one is refused, the source is told");
    refused_.push_back(cookie);
    refuse_.start();
    return true;
  }
  refusing_ = false;
  const config::LocalAddress& target = config_.services[mappings_[service]].address;
  auto dial = std::make_unique<Dial>();
  dial->target = &target;
  dial->retry = std::make_unique<event::Timer>(loop_, [this, cookie] { attempt(cookie); });
  dial->name = target.kind == config::LocalAddress::Kind::kUnix
                   ? target.path
                   : (target.host.empty() ? "localhost" : target.host) + ":" + std::to_string(target.port);
  dials_.emplace(cookie, std::move(dial));
  attempt(cookie);
  return true;
}

void Targets::refuse() {
  for (const uint32_t cookie : std::exchange(refused_, {}))
    callback_(cookie, Error(kTooMany));
}

void Targets::cancel(uint32_t cookie) {
  // Its dialer may be what calls.
  if (auto node = dials_.extract(cookie)) deferred_.destroy(std::move(node.mapped()));
}

void Targets::cancel_all() {
  for (auto& [cookie, dial] : std::exchange(dials_, {}))
    deferred_.destroy(std::move(dial));
}

Targets::Dial* Targets::find(uint32_t cookie) {
  const auto found = dials_.find(cookie);
  return found == dials_.end() ? nullptr : found->second.get();
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
    enough_again();
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
  if (dial->dialer && dial->dialer->is_short()) return wait_for_resources(*dial, what);
  if (most >= 0 && dial->tries >= most) {
    log_.error(what + "; given up after " + std::to_string(dial->tries) +
               (dial->tries == 1 ? " try" : " tries") + ", the source is told");
    cancel(cookie);
    return callback_(cookie, Error(what));
  }
  log_.warning(what + "; next try in " + std::to_string(config_.settings.connect_retry_delay.count()) +
               " ms");
  // It may be what calls.
  deferred_.destroy(std::move(dial->dialer));
  dial->retry->start(config_.settings.connect_retry_delay);
}

void Targets::wait_for_resources(Dial& dial, const std::string& why) {
  if (shortage_.failed()) log_.error(why + "; it is tried until there is enough again");
  --dial.tries;
  deferred_.destroy(std::move(dial.dialer));
  dial.retry->start(limits::kAcceptPause);
}

void Targets::enough_again() {
  if (const size_t tries = shortage_.over(); tries > 0)
    log_.info("there is enough for connections to local services again; it was not " + std::to_string(tries) +
              " times");
}

}  // namespace localproxy::monitor
