// The system call filter of a role: its policy, compiled with libseccomp to the program that the kernel runs
// at each call.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "sandbox/policy.h"

namespace localproxy::sandbox {

// Classic BPF over struct seccomp_data.
using FilterProgram = std::vector<sock_filter>;

// The newest system call of the kernel (Linux 6.1, set_mempolicy_home_node) that the policies were written
// with. Since 424 all architectures give a call the same number.
inline constexpr uint32_t kNewestCall = 450;
// Where numbers of another kind begin: x32 calls, and the private ones of 32-bit Arm.
inline constexpr uint32_t kFirstForeignCall = 0x000f'0000;

// Whether `wide` matches every call that `narrow` matches, with the same outcome.
bool covers(const Rule& wide, const Rule& narrow);

// The rules of a role's filter in a run with these needs: its own, those that every role has, and those of
// the roles that it starts, without rules that another rule covers.
std::vector<Rule> all_rules(const Policy& policy, Needs needs);

// These rules, and the same rules for the calls that only this architecture has (variants_32bit()).
std::vector<Rule> with_variants(std::span<const Rule> rules, uint32_t architecture);

// Calls that a rule allows are allowed, those that a rule refuses get its error, calls newer than kNewestCall
// get ENOSYS, so that a libc which tries them first falls back to older ones; everything else, and every
// call of another architecture, kills the process. architecture: an SCMP_ARCH_ number; 0: this machine's.
Result<FilterProgram> compile_filter(const Policy& policy, Needs needs, uint32_t architecture = 0);
// The same of these rules alone.
Result<FilterProgram> compile_rules(std::span<const Rule> rules, uint32_t architecture = 0);

// Makes the kernel run the program from now on. REQUIRES: no-new-privs.
Result<> enter_filter(const FilterProgram& program);

}  // namespace localproxy::sandbox
