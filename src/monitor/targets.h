// The local services of a destination: connects to the one that the bridge names by its index, with retries.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/exhaustion.h"
#include "config/config.h"
#include "event/loop.h"
#include "monitor/dialer.h"
#include "monitor/resolver.h"

namespace localproxy::monitor {

class Targets {
 public:
  // The end of a dial: a socket, or why the last try failed.
  using Callback = std::function<void(uint32_t cookie, Result<Connected> connected)>;

  Targets(event::Loop& loop, Log& log, Resolver& resolver, const config::Config& config,
          std::vector<Address> from, Callback callback)
      : loop_(loop),
        log_(log),
        resolver_(resolver),
        config_(config),
        from_(std::move(from)),
        callback_(std::move(callback)),
        deferred_(loop),
        refuse_(loop, [this] { refuse(); }) {}

  // mappings[i]: the entry of -d for the service with index i.
  void set_mappings(std::vector<size_t> mappings) { mappings_ = std::move(mappings); }
  // False: no such service, or the cookie is in use. Too many dials at once: this one fails.
  bool dial(uint16_t service, uint32_t cookie);
  void cancel(uint32_t cookie);
  void cancel_all();

 private:
  struct Dial {
    const config::LocalAddress* target = nullptr;
    std::string name;
    int tries = 0;
    std::unique_ptr<Dialer> dialer;
    std::unique_ptr<event::Timer> retry;
  };
  void attempt(uint32_t cookie);
  void connect(uint32_t cookie, Result<Addresses> addresses);
  void on_result(uint32_t cookie, Result<Connected> connected);
  void refuse();
  // The dial has met a shortage, which is no fault of the service: it waits and is no try.
  void wait_for_resources(Dial& dial, const std::string& why);
  void enough_again();
  Dial* find(uint32_t cookie);

  event::Loop& loop_;
  Log& log_;
  Resolver& resolver_;
  const config::Config& config_;
  const std::vector<Address> from_;
  Callback callback_;
  std::vector<size_t> mappings_;
  std::map<uint32_t, std::unique_ptr<Dial>> dials_;
  std::vector<uint32_t> refused_;  // cookies
  event::Deferred deferred_;
  event::Task refuse_;
  bool refusing_ = false;  // since it was last said
  Episode shortage_;
};

}  // namespace localproxy::monitor
