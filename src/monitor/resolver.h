// Turns names into addresses. Addresses and "localhost" need no lookup; for anything else a resolve process
// is started, asked once, and ends.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "event/loop.h"
#include "monitor/launcher.h"

namespace localproxy::monitor {

using Addresses = std::vector<Address>;

// The addresses of a host that needs no lookup; empty if it needs one.
Addresses known_addresses(const std::string& host, uint16_t port);

// "cannot resolve HOST: WHY". HOST may say what it is, as in "the web proxy HOST".
Error cannot_resolve(const std::string& host, const Error& why);

class Resolver {
 public:
  // An error says why, without the host.
  using Callback = std::function<void(Result<Addresses> addresses)>;
  // Owned by the caller of look_up(). Destroying it cancels the callback.
  using Question = std::shared_ptr<const Callback>;

  // REQUIRES: no sandbox yet.
  Resolver(event::Loop& loop, Launcher& launcher, ipc::Setup setup);

  // Asks for the addresses of a host that needs a lookup. Calls back once, from the loop. Lookups of the same
  // host share a process.
  [[nodiscard]] Question look_up(const std::string& host, uint16_t port, Callback callback);

 private:
  struct Waiting {
    uint16_t port;
    std::weak_ptr<const Callback> callback;
  };
  struct PendingLookup {
    std::unique_ptr<Child> child;
    std::vector<Waiting> waiting;
    bool answered = false;
  };
  // Addresses as the process sends them.
  using Answer = Result<std::vector<std::string>>;
  // A lookup whose process has ended, or could not be started.
  struct Ended {
    std::string host;
    std::string why;
  };
  void start(const std::string& host);
  void end(const std::string& host, const std::string& why);
  void finish_ended();
  void finish(const Ended& ended);
  void answer(const std::string& host, const Answer& answer);
  static void tell(const std::vector<Waiting>& waiting, const Answer& answer);
  std::string why(const ipc::LookupFailed& failed) const;

  Launcher& launcher_;
  const ipc::Setup setup_;
  // Where each ipc::NameFile leads, found out while that is still possible; "" if it is not a link.
  std::array<std::string, static_cast<size_t>(ipc::NameFile::kLast) + 1> links_;
  std::map<std::string, PendingLookup> lookups_;
  std::vector<Ended> ended_;
  event::Task finish_ended_;
};

}  // namespace localproxy::monitor
