// What is checked on this machine before a run, and what --check prints about it.
#pragma once

#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "config/config.h"
#include "monitor/helpers.h"
#include "monitor/listeners.h"

namespace localproxy::monitor {

// Closes listeners, and removes their files while that is still allowed. Returns what they were bound to, in
// words.
std::vector<std::string> give_back(std::vector<ServiceListener>& listeners);

// Whether the configured root certificates can be read. REQUIRES: the ids of a run.
Result<> check_certificates(const config::Config& config);

// Lines of "name: value", as config::describe() writes them. can_listen: from give_back(); on: the addresses
// of -b; landlock_abi: the kernel's, or 0. Connects to nothing and changes nothing. An error is what a run
// would fail at later. REQUIRES: the ids of a run.
Result<std::string> check_machine(const config::Config& config, const Helpers& helpers,
                                  const std::vector<std::string>& can_listen, const std::vector<Address>& on,
                                  int landlock_abi);

}  // namespace localproxy::monitor
