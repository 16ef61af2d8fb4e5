// The table of internal messages: who may send each to whom, in which state of the receiver, and with how
// many descriptors. ipc/messages.h has their fields.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace localproxy::ipc {

enum class Role : uint8_t { kMonitor, kNet, kBridge, kResolve, kLaunch, kLast = kLaunch };
std::string_view to_string(Role role);

// The state of the dialogue, as the receiver sees it. One bit each, so that a row of the table can name
// several.
enum class State : uint8_t {
  kStart = 1,        // a child: waits for SETUP; the monitor: for READY
  kReady = 2,        // in the sandbox; net waits for GRANT
  kNegotiating = 4,  // net has the socket: TLS, upgrade, SERVICE_IDS
  kUp = 8,           // UP was sent, SERVICES not yet
  kServing = 16,     // connections are carried
  kStopping = 32,    // STOP was sent
};
std::string_view to_string(State state);

enum class Type : uint16_t {
  kSetup = 1,
  kReady,
  kLog,
  kStop,
  kGrant,
  kUp,
  kServices,
  kDown,
  kListener,
  kTarget,
  kPeer,
  kAccepting,
  kDial,
  kDialCancel,
  kDialed,
  kDialFailed,
  kCount,
  kCounters,
  kAccepted,
  kOpening,
  kFailed,
  kOpen,
  kFinish,
  kReset,
  kLookup,
  kAddresses,
  kLookupFailed,
  kStdio,
  kStdioEnded,
  kPassFd,
  kLaunch,
  kKill,
  kExited,
  kPing,
  kPong,
  kLast = kPong,
};

// One row of the table.
struct Spec {
  Type type;
  std::string_view name;
  uint8_t from;    // bits: 1 << Role
  uint8_t to;      // bits: 1 << Role
  uint8_t states;  // bits: State of the receiver
  uint8_t fds;     // descriptors, exactly; at most two
  bool secret;     // buffers that held it are wiped
  size_t least;    // bytes of all fields
  size_t most;
  uint32_t layout;  // differs when the sizes or the order of the fields do
};

std::span<const Spec> table();
// Null: no such type.
const Spec* find_spec(uint16_t type);

// The longest datagram of the table.
size_t max_message_size();

// A number that changes whenever the table does: a monitor and a helper of different builds must not talk.
uint32_t table_version();

}  // namespace localproxy::ipc
