// Names where an address of this machine is wanted (-b, -s), looked up before anything is bound.
#pragma once

#include <string>

#include "base/result.h"
#include "monitor/resolver.h"

namespace localproxy::monitor {

// The addresses of host, with port 0: at once for addresses and localhost, else by a resolve process, which
// is waited for. setup: for that process.
Result<Addresses> local_addresses(const std::string& host, event::Loop& loop, StderrLog& log,
                                  Starter& starter, const ipc::Setup& setup);

}  // namespace localproxy::monitor
