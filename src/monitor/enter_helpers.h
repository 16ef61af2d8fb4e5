// --sandbox-report: the processes of a run, each in its sandbox and without anything to do.
#pragma once

#include <utility>
#include <vector>

#include "base/result.h"
#include "config/config.h"
#include "event/loop.h"
#include "monitor/launcher.h"

namespace localproxy::monitor {

// What is in force in each helper, the launch process first. All but that one have ended when this returns.
// An error: one of them could not be started, or could not enter its sandbox; the log says why.
Result<std::vector<std::pair<ipc::Role, ipc::Ready>>> enter_helpers(const config::Config& config,
                                                                    event::Loop& loop, StderrLog& log,
                                                                    Launcher& launcher);

}  // namespace localproxy::monitor
