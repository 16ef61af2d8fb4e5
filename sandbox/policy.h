// What a role's policy is made of: tables of system calls, each with its reason on the same line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace localproxy::sandbox {

// A condition on one argument of a system call. Arguments are numbers: what a pointer points at is never
// looked at.
struct Arg {
  unsigned index;
  uint64_t mask;
  uint64_t value;  // allowed when (argument & mask) == value
};

inline constexpr size_t kMaxArgs = 3;

struct Rule {
  int number;          // SCMP_SYS(...)
  const char* reason;  // why the role needs it
  size_t arg_count = 0;
  Arg args[kMaxArgs] = {};
  int error = 0;  // not 0: the call is refused with this errno instead of being allowed
};

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

// The bit that marks code as having landing pads, where the architecture has them (<asm/mman.h>).
#ifdef __aarch64__
inline constexpr uint32_t kProtBti = 0x10;
#else
inline constexpr uint32_t kProtBti = 0;
#endif

struct Policy {
  const char* role;
  std::span<const Rule> rules;  // besides those that every role has
  // Roles that it starts: a filter is inherited, so what theirs allow this one must allow too.
  std::span<const Policy* const> starts = {};
  bool may_fork = false;         // false: RLIMIT_NPROC 0
  bool may_write_files = false;  // false: RLIMIT_FSIZE 0 (standard error of the monitor may be a file)
  bool namespaces = false;       // true: namespaces of its own, where the kernel grants them
};

// What libc, libstdc++ and the event loop need in every role.
std::span<const Rule> common_rules();

// A call of 32-bit architectures that serves the purpose of another one, with the arguments that conditions
// look at in the same places. A rule for `of` holds for `number` there too.
struct Variant {
  int of;
  int number;
  const char* reason;  // what is different
};
std::span<const Variant> narrow_variants();

extern const Policy kMonitorPolicy;
extern const Policy kNetPolicy;
extern const Policy kBridgePolicy;
extern const Policy kResolvePolicy;
extern const Policy kLaunchPolicy;

}  // namespace localproxy::sandbox
