// The descriptors that a helper is started with; it gets no others. 0 and 1 are /dev/null or the monitor's
// own, 2 is a socket to the monitor.
#pragma once

namespace localproxy::ipc {

inline constexpr int kMonitorFd = 3;  // its channel to the monitor
// net: its channel to the bridge.
inline constexpr int kSiblingFd = 4;
// launch: the programs that it starts, and /dev/null for them.
inline constexpr int kNetProgramFd = 4;
inline constexpr int kBridgeProgramFd = 5;
inline constexpr int kResolveProgramFd = 6;
inline constexpr int kNullFd = 7;

}  // namespace localproxy::ipc
