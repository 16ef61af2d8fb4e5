#include "monitor/targets.h"

#include <sys/socket.h>

#include <utility>

#include "base/limits.h"

namespace localproxy::monitor {

Targets::Targets(event::Loop& loop, Log& log, Resolver& resolver, const config::Config& config,
                 std::vector<Address> from)
    : loop_(loop),
      log_(log),
      resolver_(resolver),
      config_(config),
      from_(std::move(from)),
      deferred_(loop),
      allowed_(limits::kDialsPerSecond, limits::kDialsAtOnce) {}

void Targets::serve(Child& bridge) {
  bridge_ = &bridge;
  bridge.port().on<ipc::Dial>([this](const ipc::Dial& message) { on_dial(message); });
  bridge.port().on<ipc::DialCancel>([this](const ipc::DialCancel& message) { dials_.erase(message.cookie); });
}

void Targets::set_mappings(const std::vector<size_t>& mappings) {
  cancel_all();
  targets_.clear();
  for (const size_t mapping : mappings) {
    const config::LocalAddress& address = config_.services[mapping].address;
    bridge_->port().send(
        ipc::Target{static_cast<uint16_t>(targets_.size()), {config_.services[mapping].service}});
    if (address.kind == config::LocalAddress::Kind::kUnix) {
      targets_.push_back({.name = address.path, .host = "", .known = {unix_address(address.path)}});
      continue;
    }
    const std::string host = address.host.empty() ? "localhost" : address.host;
    targets_.push_back({.name = host + ":" + std::to_string(address.port),
                        .host = host,
                        .port = address.port,
                        .known = known_addresses(host, address.port)});
  }
}

// ---- the bridge ----

void Targets::on_dial(const ipc::Dial& message) {
  if (!allowed_.take(TokenBucket::Clock::now())) {
    // Once: the reason may be a flood.
    if (!std::exchange(flood_noted_, true))
      log_.warning("more than " + std::to_string(limits::kDialsPerSecond) +
                   " connections a second to local services are asked for: some are refused");
    return send_failed(message.cookie);
  }
  if (dial(message.service, message.cookie)) return;
  log_.error("the bridge process asked for a connection that it may not ask for, and is killed");
  bridge_->kill();
}

bool Targets::dial(uint16_t service, uint32_t cookie) {
  if (service >= targets_.size() || dials_.contains(cookie)) return false;
  // Not the fault of the bridge: connections that the source has ended still count while their data is
  // delivered.
  if (dials_.size() >= targets_.size() * config_.settings.max_connections) {
    // Once: the reason may be a flood.
    if (!std::exchange(refusing_, true))
      log_.warning(
          "too many connections wait for a local service that does not answer; a further one is refused, the "
          "source is told");
    send_failed(cookie);
    return true;
  }
  refusing_ = false;
  begin(
      *dials_.emplace(cookie, std::make_unique<PendingDial>(*this, cookie, targets_[service])).first->second);
  return true;
}

void Targets::send_failed(uint32_t cookie) {
  if (bridge_->running()) bridge_->port().send(ipc::DialFailed{cookie});
}

// ---- one dial ----

void Targets::begin(PendingDial& dial) {
  ++dial.tries;
  if (!dial.target.known.empty()) return connect(dial, dial.target.known);
  const std::string& host = dial.target.host;
  dial.lookup = resolver_.look_up(host, dial.target.port, [this, &dial, &host](Result<Addresses> addresses) {
    if (addresses) return connect(dial, std::move(*addresses));
    on_failure(dial, cannot_resolve(host, addresses.error()).text());
  });
}

void Targets::connect(PendingDial& dial, Addresses addresses) {
  dial.dialer = std::make_unique<Dialer>(loop_, std::move(addresses), from_,
                                         [this, &dial](Result<Connected> connected) {
                                           if (connected) return on_connected(dial, std::move(*connected));
                                           on_failure(dial, connected.error().text());
                                         });
}

void Targets::on_connected(PendingDial& dial, Connected connected) {
  enough_again();
  const Address& address = connected.address;
  log_.info("Connected to " + (address.family() == AF_UNIX
                                   ? to_string(address)
                                   : host_of(address) + ", port: " + std::to_string(address.port())));
  if (bridge_->running())
    bridge_->port().send(ipc::Dialed{dial.cookie, {to_string(address)}}, std::move(connected.socket));
  end(dial);
}

void Targets::on_failure(PendingDial& dial, const std::string& why) {
  const int most = config_.settings.connect_tries;
  const std::string what = "cannot connect to the local service at " + dial.target.name + ": " + why;
  if (dial.dialer && dial.dialer->is_short()) return wait_for_resources(dial, what);
  if (most >= 0 && dial.tries >= most) {
    log_.error(what + "; given up after " + std::to_string(dial.tries) +
               (dial.tries == 1 ? " try" : " tries") + ", the source is told");
    send_failed(dial.cookie);
    return end(dial);
  }
  const std::chrono::milliseconds delay = config_.settings.connect_retry_delay;
  log_.warning(what + "; next try in " + std::to_string(delay.count()) + " ms");
  retry_in(dial, delay);
}

void Targets::wait_for_resources(PendingDial& dial, const std::string& why) {
  if (shortage_.failed()) log_.error(why + "; it is tried until there is enough again");
  --dial.tries;
  retry_in(dial, limits::kAcceptPause);
}

void Targets::enough_again() {
  if (const size_t tries = shortage_.over(); tries > 0)
    log_.info("there is enough for connections to local services again; it was not " + std::to_string(tries) +
              " times");
}

void Targets::retry_in(PendingDial& dial, std::chrono::milliseconds delay) {
  // The dialer may be the caller.
  deferred_.destroy(std::move(dial.dialer));
  dial.retry.start(delay);
}

void Targets::end(PendingDial& dial) {
  if (auto node = dials_.extract(dial.cookie)) deferred_.destroy(std::move(node.mapped()));
}

}  // namespace localproxy::monitor
