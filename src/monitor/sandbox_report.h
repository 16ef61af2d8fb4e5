// What the processes reached of their sandboxes, for people: a line in the log, and the table of
// --sandbox-report.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ipc/messages.h"

namespace localproxy::monitor {

// "sandbox: uid 999 gid 994, no capabilities, no-new-privs, ..."
std::string sandbox_line(const ipc::Ready& reached);

// A column for each process, in the order given, a row for each step, and what is to be said of them below.
std::string sandbox_table(const std::vector<std::pair<ipc::Role, ipc::Ready>>& processes);

}  // namespace localproxy::monitor
