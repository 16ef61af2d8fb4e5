// The part of --check that is about this machine: what the rest of a start would find there.
#pragma once

#include <string>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "config/config.h"
#include "monitor/helpers.h"
#include "monitor/listeners.h"

namespace localproxy {

// Closes listeners, and removes their files while that is still allowed. What they were bound to, in words.
std::vector<std::string> give_back(std::vector<monitor::Listener>& listeners);

// Lines of "name: value", as config::describe() writes them. can_listen: of give_back(); on: the addresses of
// -b. Connects to nothing and changes nothing. An error: what a run would fail at later. REQUIRES: the ids of
// a run.
Result<std::string> check_machine(const config::Config& config, const monitor::Helpers& helpers,
                                  const std::vector<std::string>& can_listen, const std::vector<Address>& on);

}  // namespace localproxy
