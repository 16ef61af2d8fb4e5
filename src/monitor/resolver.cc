#include "monitor/resolver.h"

#include <utility>

#include "base/limits.h"

namespace localproxy::monitor {

Addresses known_addresses(const std::string& host, uint16_t port) {
  if (auto literal = parse_address(host, port)) return {*literal};
  if (host == "localhost") return {*parse_address("127.0.0.1", port), *parse_address("::1", port)};
  return {};
}

void Resolver::resolve(const std::string& host, uint16_t port, Callback callback) {
  if (Addresses known = known_addresses(host, port); !known.empty()) {
    return loop_.later([known = std::move(known), callback = std::move(callback)] { callback(known); });
  }
  Lookup& lookup = lookups_[host];
  lookup.waiting.push_back({port, std::move(callback)});
  if (!lookup.child) start(host);
}

void Resolver::start(const std::string& host) {
  auto child = Child::start(loop_, log_, starter_, {.role = ipc::Role::kResolve, .setup = setup_},
                            {.on_ready =
                                 [this, host] {
                                   Child& asked = *lookups_.at(host).child;
                                   asked.port().send(ipc::Lookup{{host}});
                                   asked.end_within(limits::kLookupTimeout);
                                 },
                             .on_exit =
                                 [this, host](const Exit& exit) {
                                   loop_.later([this, host, how = exit.describe()] { on_exit(host, how); });
                                 }});
  if (!child) {
    return loop_.later([this, host, why = child.error().text()] {
      answer(host, Error(why));
      lookups_.erase(host);
    });
  }
  ipc::Port& port = (*child)->port();
  port.on<ipc::Addresses>(
      [this, host](const ipc::Addresses& message) { answer(host, message.addresses.value); });
  port.on<ipc::LookupFailed>(
      [this, host](const ipc::LookupFailed& message) { answer(host, Error(message.reason.value)); });
  lookups_.at(host).child = std::move(*child);
}

void Resolver::on_exit(const std::string& host, const std::string& how) {
  Lookup& lookup = lookups_.at(host);
  if (lookup.answered && !lookup.waiting.empty()) {
    // Asked for after the answer and before the end of the process that gave it.
    lookup.answered = false;
    return start(host);
  }
  answer(host, Error("the lookup process " + how));
  lookups_.erase(host);
}

void Resolver::answer(const std::string& host, Result<std::vector<std::string>> addresses) {
  lookups_.at(host).answered = true;
  for (const Waiting& waiting : std::exchange(lookups_.at(host).waiting, {})) {
    if (!addresses) {
      waiting.callback(Error("cannot resolve " + host + ": " + addresses.error().text()));
      continue;
    }
    Addresses found;
    for (const std::string& bytes : *addresses) {
      if (auto address = address_from_bytes(bytes, waiting.port)) found.push_back(*address);
    }
    if (found.empty()) {
      waiting.callback(Error("cannot resolve " + host + ": it has no address"));
    } else {
      waiting.callback(std::move(found));
    }
  }
}

}  // namespace localproxy::monitor
