// Which paths and TCP ports each process can still reach from its sandbox; net and bridge: none at all.
#pragma once

#include <cstdint>
#include <vector>

#include "sandbox/landlock.h"

namespace localproxy {

namespace config {
struct Config;
}
namespace ipc {
struct Setup;
}

// Where DNS servers listen.
inline constexpr uint16_t kDnsPort = 53;

sandbox::LandlockRules monitor_reach(const config::Config& config);
// programs: descriptors of the files that it may run.
sandbox::LandlockRules launch_reach(const ipc::Setup& setup, const std::vector<int>& programs);
sandbox::LandlockRules resolve_reach();

}  // namespace localproxy
