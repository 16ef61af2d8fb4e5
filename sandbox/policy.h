// A role's policy: everything that confines it and no other role. That is the system calls that its filter
// allows, the paths and ports that Landlock leaves it, its namespaces and its limits, each with its reason on
// the same line. policy/ROLE.cc has them all; what confines every role alike is in enter.h.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "sandbox/landlock.h"

namespace localproxy::sandbox {

// A condition on one argument of a system call. Arguments are numbers: pointers are never followed.
struct Arg {
  unsigned index;
  uint64_t mask;
  uint64_t value;    // allowed when (argument & mask) == value
  uint64_t any = 0;  // and, if this is not 0, when (argument & any) != 0; not a part of mask
};

inline constexpr size_t kMaxArgs = 3;

// What only some runs need, depending on the machine and the configuration: a set of bits.
using Needs = unsigned;
inline constexpr Needs kUnixSockets = 1;  // sockets with a path: local services, local resolvers
inline constexpr Needs kInterfaces = 2;   // the addresses of this machine, through netlink
inline constexpr Needs kAllNeeds = kUnixSockets | kInterfaces;

struct Rule {
  int number;          // SCMP_SYS(...)
  const char* reason;  // why the role needs it
  size_t arg_count = 0;
  Arg args[kMaxArgs] = {};
  int error = 0;      // not 0: the call is refused with this errno instead of being allowed
  Needs with = 0;     // the rule holds only in a run that has all of these needs
  Needs without = 0;  // the rule holds only in a run that has none of these needs
};

// Whether it is a rule in a run with these needs.
constexpr bool holds(const Rule& rule, Needs needs) {
  return (rule.with & ~needs) == 0 && (rule.without & needs) == 0;
}

// Arguments are 32-bit ints in all conditions but addresses; the upper half of the register is not ours to
// compare.
constexpr Arg equals(unsigned index, uint32_t value) {
  return {index, 0xffffffff, value};
}
constexpr Arg all_of(unsigned index, uint32_t bits) {
  return {index, bits, bits};
}
constexpr Arg none_of(unsigned index, uint32_t bits) {
  return {index, bits, 0};
}
// Equal but for these bits, which may be set or not.
constexpr Arg equals_but(unsigned index, uint32_t bits, uint32_t value) {
  return {index, 0xffffffffU & ~bits, value};
}
constexpr Arg only(unsigned index, uint32_t bits) {
  return {index, 0xffffffffU & ~bits, 0};
}

// The id of one process. Zero and negative ones are groups of processes, or all of them.
constexpr Arg one_process(unsigned index) {
  return {index, 0x80000000, 0, 0x7fffffff};
}

constexpr Rule allow(int number, const char* reason) {
  return {number, reason};
}
constexpr Rule allow(int number, Arg a, const char* reason) {
  return {number, reason, 1, {a}};
}
constexpr Rule allow(int number, Arg a, Arg b, const char* reason) {
  return {number, reason, 2, {a, b}};
}
constexpr Rule allow(int number, Arg a, Arg b, Arg c, const char* reason) {
  return {number, reason, 3, {a, b, c}};
}
constexpr Rule refuse(int number, int error, const char* reason) {
  return {number, reason, 0, {}, error};
}
constexpr Rule refuse(int number, Arg a, int error, const char* reason) {
  return {number, reason, 1, {a}, error};
}
constexpr Rule refuse(int number, Arg a, Arg b, int error, const char* reason) {
  return {number, reason, 2, {a, b}, error};
}
constexpr Rule refuse(int number, Arg a, Arg b, Arg c, int error, const char* reason) {
  return {number, reason, 3, {a, b, c}, error};
}

constexpr Rule only_with(Needs needs, Rule rule) {
  rule.with = needs;
  return rule;
}
constexpr Rule only_without(Needs needs, Rule rule) {
  rule.without = needs;
  return rule;
}

// The bit that marks code as having landing pads, where the architecture has them (<asm/mman.h>).
#ifdef __aarch64__
inline constexpr uint32_t kProtBti = 0x10;
#else
inline constexpr uint32_t kProtBti = 0;
#endif

// How the loader maps code: from a file, and never anonymous or shared. The kernel ignores MAP_DENYWRITE.
inline constexpr uint32_t kMapCodeFlags = MAP_PRIVATE | MAP_FIXED | MAP_DENYWRITE;

// What the configuration and the machine add to a role's rules in one run, as plain values.
struct PolicyInputs {
  // monitor.
  std::string token_directory;  // of the token file, which is read again after SIGHUP; or empty
  std::vector<std::string> socket_directories;  // of the UNIX sockets that it listens on
  std::vector<std::string> target_sockets;      // UNIX sockets that it connects to, or their directories
  std::vector<uint16_t> connect_ports;
  std::vector<uint16_t> bind_ports;
  // launch.
  std::vector<int> programs;  // descriptors of the files that it may run
  std::vector<std::string> certificate_directories;
  std::vector<std::string> certificate_files;
  // All roles.
  Needs needs = 0;
};

// Appends to a list of Landlock rules.
void append(auto& to, const auto& more) {
  to.insert(to.end(), std::begin(more), std::end(more));
}

// The Landlock rules of a role that can reach no path and no port.
inline LandlockRules reach_nothing(const PolicyInputs&) {
  return {};
}

struct Policy {
  const char* role;
  std::span<const Rule> system_calls;  // besides common_rules()
  // Roles that it starts: a filter is inherited, so this one must allow what theirs allow.
  std::span<const Policy* const> starts = {};
  LandlockRules (*landlock)(const PolicyInputs& inputs) = reach_nothing;
  bool namespaces = false;       // true: namespaces of its own, where the kernel grants them
  bool may_fork = false;         // false: RLIMIT_NPROC 0
  bool may_write_files = false;  // false: RLIMIT_FSIZE 0
};

// What libc, libstdc++ and the event loop need in every role.
std::span<const Rule> common_rules();

// A call of 32-bit architectures that does the work of another one, with the arguments that conditions look
// at in the same places. A rule for `of` holds for `number` there too.
struct Variant {
  int of;
  int number;
  const char* reason;  // what is different
};
std::span<const Variant> variants_32bit();

// Where DNS servers listen.
inline constexpr uint16_t kDnsPort = 53;

// What name services read in resolve, which launch must allow, too. policy/resolve.cc has the lists.
std::vector<std::string> name_service_files();
std::vector<std::string> name_service_directories();
std::vector<std::string> name_service_sockets();

extern const Policy kMonitorPolicy;
extern const Policy kNetPolicy;
extern const Policy kBridgePolicy;
extern const Policy kResolvePolicy;
extern const Policy kLaunchPolicy;

}  // namespace localproxy::sandbox
