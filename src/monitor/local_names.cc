#include "monitor/local_names.h"

#include <utility>

namespace localproxy::monitor {

Result<Addresses> local_addresses(const std::string& host, event::Loop& loop, StderrLog& log,
                                  Starter& starter, const ipc::Setup& setup) {
  if (Addresses known = known_addresses(host, 0); !known.empty()) return known;
  Resolver resolver(loop, log, starter, setup);
  Result<Addresses> found = Error("no answer");
  resolver.resolve(host, 0, [&](Result<Addresses> addresses) {
    found = std::move(addresses);
    loop.stop();
  });
  loop.run();
  return found;
}

}  // namespace localproxy::monitor
