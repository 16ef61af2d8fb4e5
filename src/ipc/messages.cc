#include "ipc/messages.h"

#include <algorithm>
#include <array>

namespace localproxy::ipc {
namespace {

constexpr uint8_t bit(Role role) {
  return static_cast<uint8_t>(1U << static_cast<uint8_t>(role));
}

template <typename... States>
constexpr uint8_t in(States... states) {
  return static_cast<uint8_t>((0U | ... | static_cast<uint8_t>(states)));
}

template <typename M>
constexpr Spec row(std::string_view name, uint8_t from, uint8_t to, uint8_t states, uint8_t fds = 0,
                   bool secret = false) {
  return {M::kType,
          name,
          from,
          to,
          states,
          fds,
          secret,
          TupleSize<Fields<M>>::kLeast,
          TupleSize<Fields<M>>::kMost,
          TupleSize<Fields<M>>::kLayout};
}

using enum State;
constexpr uint8_t kM = bit(Role::kMonitor);
constexpr uint8_t kN = bit(Role::kNet);
constexpr uint8_t kB = bit(Role::kBridge);
constexpr uint8_t kR = bit(Role::kResolve);
constexpr uint8_t kL = bit(Role::kLaunch);
constexpr uint8_t kChild = kN | kB | kR | kL;
constexpr uint8_t kAfterStart = in(kReady, kNegotiating, kUp, kServing, kStopping);
constexpr uint8_t kAnyState = kAfterStart | in(kStart);

// The states are those of the receiver. Whatever net sent before it read STOP still arrives.
constexpr std::array kTable = {
    row<Setup>("SETUP", kM, kChild, in(kStart)),
    row<Ready>("READY", kChild, kM, in(kStart)),
    row<LogLine>("LOG", kChild, kM, kAnyState),
    row<Stop>("STOP", kM, kN | kB | kL, in(kReady, kNegotiating, kUp, kServing)),
    row<Grant>("GRANT", kM, kN, in(kReady), 1, true),
    row<Up>("UP", kN, kM, in(kNegotiating, kStopping)),
    row<Services>("SERVICES", kM, kN, in(kUp, kStopping)),
    row<Down>("DOWN", kN, kM, in(kNegotiating, kUp, kServing, kStopping)),
    row<Listener>("LISTENER", kM, kB, in(kReady), 1),
    row<Target>("TARGET", kM, kB, in(kReady)),
    row<Peer>("PEER", kM, kB, in(kReady), 1),
    row<Accepting>("ACCEPTING", kM, kB, in(kReady)),
    row<Dial>("DIAL", kB, kM, in(kReady, kStopping)),
    row<DialCancel>("DIAL_CANCEL", kB, kM, in(kReady, kStopping)),
    row<Dialed>("DIALED", kM, kB, in(kReady, kStopping), 1),
    row<DialFailed>("DIAL_FAILED", kM, kB, in(kReady, kStopping)),
    row<Count>("COUNT", kM, kB, in(kReady, kStopping)),
    row<Counters>("COUNTERS", kB, kM, in(kReady, kStopping)),
    row<Accepted>("ACCEPTED", kB, kN, in(kServing, kStopping), 2),
    row<Opening>("OPENING", kB, kN, in(kServing, kStopping), 2),
    row<Failed>("FAILED", kB, kN, in(kServing, kStopping)),
    row<Open>("OPEN", kN, kB, in(kServing)),
    row<Finish>("FINISH", kN, kB, in(kServing)),
    row<Reset>("RESET", kN, kB, in(kServing)),
    row<Lookup>("LOOKUP", kM, kR, in(kReady)),
    row<Addresses>("ADDRESSES", kR, kM, in(kReady)),
    row<LookupFailed>("LOOKUP_FAILED", kR, kM, in(kReady)),
    row<Stdio>("STDIO", kM, kB, in(kReady)),
    row<StdioEnded>("STDIO_ENDED", kB, kM, in(kReady, kStopping)),
    row<PassFd>("PASS_FD", kM, kL, in(kReady), 1),
    row<Launch>("LAUNCH", kM, kL, in(kReady)),
    row<Kill>("KILL", kM, kL, in(kReady)),
    row<Exited>("EXITED", kL, kM, in(kReady, kStopping)),
    row<Ping>("PING", kM, kChild, kAfterStart),
    row<Pong>("PONG", kChild, kM, kAfterStart),
};

consteval bool in_order() {
  for (size_t i = 0; i < kTable.size(); ++i) {
    if (static_cast<size_t>(kTable[i].type) != i + 1) return false;
  }
  return kTable.size() == static_cast<size_t>(Type::kLast);
}
static_assert(in_order(), "one row for each type, in the order of the numbers");

}  // namespace

std::string_view to_string(Role role) {
  switch (role) {
    case Role::kMonitor:
      return "monitor";
    case Role::kNet:
      return "net";
    case Role::kBridge:
      return "bridge";
    case Role::kResolve:
      return "resolve";
    case Role::kLaunch:
      return "launch";
  }
  return "?";
}

std::string_view to_string(State state) {
  switch (state) {
    case kStart:
      return "start";
    case kReady:
      return "ready";
    case kNegotiating:
      return "negotiating";
    case kUp:
      return "up";
    case kServing:
      return "serving";
    case kStopping:
      return "stopping";
  }
  return "?";
}

const char* path_of(NameFile file) {
  switch (file) {
    case NameFile::kNone:
      break;
    case NameFile::kResolvConf:
      return "/etc/resolv.conf";
    case NameFile::kHosts:
      return "/etc/hosts";
    case NameFile::kNsswitch:
      return "/etc/nsswitch.conf";
  }
  return "";
}

std::span<const Spec> table() {
  return kTable;
}

const Spec* find_spec(uint16_t type) {
  return type >= 1 && type <= kTable.size() ? &kTable[type - 1U] : nullptr;
}

namespace {

// FNV-1a.
consteval uint32_t hash_of_table() {
  uint32_t hash = 2'166'136'261U;
  const auto add = [&hash](uint64_t value) {
    for (; value != 0; value >>= 8)
      hash = (hash ^ static_cast<uint8_t>(value)) * 16'777'619U;
  };
  for (const Spec& row : kTable) {
    for (const char byte : row.name)
      add(static_cast<uint8_t>(byte));
    for (const uint64_t value : {uint64_t{row.from}, uint64_t{row.to}, uint64_t{row.states},
                                 uint64_t{row.fds}, uint64_t{row.secret}, uint64_t{row.layout}})
      add(value + 1);
  }
  return hash;
}

}  // namespace

uint32_t table_version() {
  return hash_of_table();
}

size_t max_message_size() {
  static constexpr size_t kMost =
      std::max_element(kTable.begin(), kTable.end(), [](const Spec& a, const Spec& b) {
        return a.most < b.most;
      })->most;
  return sizeof(uint16_t) + kMost;
}

}  // namespace localproxy::ipc
