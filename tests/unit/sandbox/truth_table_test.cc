// Each role's filter's verdict on every system call, compared with truth_tables.h. The tables are written by
// hand and not derived from the policies, so a rule that is added, removed or widened makes a test fail.
#include <errno.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <seccomp.h>
#include <stdlib.h>

#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "sandbox/filter.h"
#include "tests/unit/sandbox/evaluate.h"
#include "tests/unit/sandbox/truth_tables.h"

namespace localproxy::sandbox {
namespace {

using namespace test;

const Role* const kTables[] = {&kMonitor, &kNet,     &kBridge,         &kResolve,
                               &kLaunch,  &kDialler, &kResolveLocally, &kLaunchForLocal};

std::string name_of(uint32_t number, uint32_t architecture) {
  if (architecture == 0) architecture = seccomp_arch_native();
  const std::unique_ptr<char, decltype(&free)> name(
      seccomp_syscall_resolve_num_arch(architecture, static_cast<int>(number)), &free);
#ifdef __riscv
  if (!name && number == 258) return "riscv_hwprobe";  // libseccomp 2.5 does not know it
#endif
  return name ? name.get() : "";
}

bool is_narrow(uint32_t architecture) {
  return (architecture & __AUDIT_ARCH_64BIT) == 0;
}

// Whether an architecture has the call, under a number of its own.
bool has(uint32_t architecture, const std::string& name) {
  return seccomp_syscall_resolve_name_arch(architecture, name.c_str()) >= 0 || name == "riscv_hwprobe";
}

// The names of a table that exist on an architecture, and its other names for the same calls.
Names on(uint32_t architecture, const Names& names) {
  Names there;
  std::ranges::copy_if(names, std::inserter(there, there.end()),
                       [&](const std::string& name) { return has(architecture, name); });
  for (const Narrow& narrow : kNarrow) {
    if (is_narrow(architecture) && names.contains(narrow.of) && has(architecture, narrow.call))
      there.insert(narrow.call);
  }
  return there;
}
Names here(const Names& names) {
  return on(seccomp_arch_native(), names);
}

// The same for rows.
std::vector<Row> here(const std::vector<Row>& rows) {
  const uint32_t native = seccomp_arch_native();
  std::vector<Row> there;
  for (const Row& row : rows) {
    if (has(native, row.call)) there.push_back(row);
    for (const Narrow& narrow : kNarrow) {
      if (!is_narrow(native) || row.call != std::string(narrow.of) || !has(native, narrow.call)) continue;
      there.push_back(row);
      there.back().call = narrow.call;
    }
  }
  return there;
}

// Numbers from kFirstForeignCall on that an architecture uses for its own calls.
bool is_private(const std::string& name) {
  return name == "set_tls";
}

seccomp_data call_of(uint32_t architecture, uint32_t number, const Arguments& arguments) {
  seccomp_data data{};
  data.arch = architecture;
  data.nr = static_cast<int>(number);
  for (size_t i = 0; i < arguments.size(); ++i)
    data.args[i] = arguments[i];
  return data;
}

class TruthTableTest : public testing::TestWithParam<const Role*> {
 protected:
  void SetUp() override {
    auto program = compile_filter(role_.policy ? *role_.policy : kNetPolicy, role_.needs);
    ASSERT_TRUE(program.ok()) << program.error().text();
    program_ = std::move(*program);
  }
  uint32_t verdict(uint32_t number, const Arguments& arguments) const {
    return test::evaluate(program_, call_of(seccomp_arch_native(), number, arguments));
  }
  uint32_t verdict(const char* name, const Arguments& arguments) const {
    const int number = seccomp_syscall_resolve_name(name);
    EXPECT_GE(number, 0) << name;
    return verdict(static_cast<uint32_t>(number), arguments);
  }

  const Role& role_ = *GetParam();
  FilterProgram program_;
};

INSTANTIATE_TEST_SUITE_P(Roles, TruthTableTest, testing::ValuesIn(kTables), [](const auto& each) {
  return std::string(each.param->policy->role) + (each.param->needs != 0 ? "_with_needs" : "");
});

// Arguments that match no condition of any rule.
constexpr Arguments kOdd[] = {
    {0x5555'5555'5555'5555, 0x5555'5555'5555'5555, 0x5555'5555'5555'5555, 0x5555'5555'5555'5555},
    {~0ULL, ~0ULL, ~0ULL, ~0ULL, ~0ULL, ~0ULL},
    {0x1234'5678, 0x7fff'1234, 0x7fff'1234, 0x7fff'1234, 0x7fff'1234, 0x7fff'1234}};

TEST_P(TruthTableTest, AllowsTheseCallsWhateverTheirArgumentsAndNoOthers) {
  Names expected = role_.free;
  expected.insert(kCommonFree.begin(), kCommonFree.end());
  Names found;
  for (uint32_t number = 0; number <= kNewestCall; ++number) {
    bool all = true;
    for (const Arguments& arguments : kOdd)
      all = all && verdict(number, arguments) == SECCOMP_RET_ALLOW;
    if (all) found.insert(name_of(number, seccomp_arch_native()));
  }
  for (const std::string& name : here(expected)) {
    if (is_private(name) && verdict(name.c_str(), kOdd[0]) == SECCOMP_RET_ALLOW) found.insert(name);
  }
  EXPECT_EQ(found, here(expected));
}

TEST_P(TruthTableTest, EveryOtherCallKillsOrHasARowHere) {
  Names conditional = role_.conditional;
  conditional.insert(kCommonConditional.begin(), kCommonConditional.end());
  Names rows;
  conditional = here(conditional);
  Names free = here(role_.free);
  free.merge(here(kCommonFree));
  for (const auto* table : {&role_.rows, &kCommonRows}) {
    for (const Row& row : here(*table)) {
      if (row.allowed) rows.insert(row.call);
    }
  }
  for (const std::string& name : free)
    conditional.erase(name);
  for (const std::string& name : conditional)
    EXPECT_TRUE(rows.contains(name)) << name << " has no row";
  for (uint32_t number = 0; number <= kNewestCall; ++number) {
    const std::string name = name_of(number, seccomp_arch_native());
    if (free.contains(name) || name == "clone3" || name == "seccomp") continue;
    for (const Arguments& arguments : kOdd)
      EXPECT_EQ(verdict(number, arguments), SECCOMP_RET_KILL_PROCESS) << name << " " << number;
    // Zero is a value that some conditions allow.
    if (conditional.contains(name)) continue;
    EXPECT_EQ(verdict(number, {}), SECCOMP_RET_KILL_PROCESS) << name << " " << number;
  }
}

TEST_P(TruthTableTest, ArgumentsDecide) {
  const bool launch = role_.policy == &kLaunchPolicy;
  for (const auto* table : {&role_.rows, &kCommonRows, &kForbiddenRows, &kForbiddenToHelpersRows}) {
    if (table == &kForbiddenToHelpersRows && launch) continue;
    for (const Row& row : here(*table)) {
      EXPECT_EQ(verdict(row.call, row.arguments), row.verdict())
          << row.call << " " << row.arguments[0] << " " << row.arguments[1] << " " << row.arguments[2] << " "
          << row.arguments[3];
    }
  }
}

TEST_P(TruthTableTest, TheUpperHalfOfAnArgumentIsIgnored) {
  // The kernel reads these arguments as 32-bit numbers, so the upper half must not matter.
  constexpr uint64_t kUpper = 0xdead'beef'0000'0000;
  for (const Row& row : here(role_.rows)) {
    Arguments arguments = row.arguments;
    for (uint64_t& argument : arguments)
      argument |= kUpper;
    EXPECT_EQ(verdict(row.call, arguments), row.verdict()) << row.call;
  }
}

TEST_P(TruthTableTest, CallsNewerThanThePolicyFailWithEnosys) {
  for (const uint32_t number : {kNewestCall + 1, kNewestCall + 20, uint32_t{1'000}, kFirstForeignCall - 1})
    EXPECT_EQ(verdict(number, {}), SECCOMP_RET_ERRNO | ENOSYS) << number;
}

TEST_P(TruthTableTest, ForeignNumbersAndArchitecturesKill) {
  for (const uint32_t number :
       {kFirstForeignCall, uint32_t{0x4000'0000}, uint32_t{0x4000'0001}, ~uint32_t{0}})
    EXPECT_EQ(verdict(number, {}), SECCOMP_RET_KILL_PROCESS) << number;
  for (const uint32_t architecture :
       {uint32_t{AUDIT_ARCH_I386}, uint32_t{AUDIT_ARCH_ARM}, uint32_t{AUDIT_ARCH_MIPS}, uint32_t{0}}) {
    if (architecture == seccomp_arch_native()) continue;
    for (uint32_t number = 0; number <= 500; ++number)
      ASSERT_EQ(test::evaluate(program_, call_of(architecture, number, {})), SECCOMP_RET_KILL_PROCESS)
          << number;
  }
}

TEST_P(TruthTableTest, CloneThreeIsRefusedByLaunchAlone) {
  const uint32_t expected =
      role_.policy == &kLaunchPolicy ? SECCOMP_RET_ERRNO | ENOSYS : SECCOMP_RET_KILL_PROCESS;
  EXPECT_EQ(verdict("clone3", {}), expected);
}

// How many statements of the tables a program contradicts.
size_t disagreements(const FilterProgram& program, const Role& role) {
  size_t count = 0;
  const auto verdict = [&program](uint32_t number, const Arguments& arguments) {
    return test::evaluate(program, call_of(seccomp_arch_native(), number, arguments));
  };
  const auto number_of = [](const char* name) {
    return static_cast<uint32_t>(seccomp_syscall_resolve_name(name));
  };
  for (const Names* names : {&role.free, &kCommonFree}) {
    for (const std::string& name : here(*names))
      count += verdict(number_of(name.c_str()), kOdd[0]) != SECCOMP_RET_ALLOW ? 1U : 0U;
  }
  for (const auto* rows : {&role.rows, &kCommonRows}) {
    for (const Row& row : here(*rows))
      count += verdict(number_of(row.call), row.arguments) != row.verdict() ? 1U : 0U;
  }
  if (role.policy == &kLaunchPolicy && verdict(number_of("clone3"), {}) != (SECCOMP_RET_ERRNO | ENOSYS))
    ++count;
  return count;
}

// A mutation check: the tables notice the loss of every single rule.
TEST_P(TruthTableTest, AMissingRuleIsNoticed) {
  const std::vector<Rule> rules = all_rules(*role_.policy, role_.needs);
  ASSERT_EQ(disagreements(program_, role_), 0U);
  for (size_t i = 0; i < rules.size(); ++i) {
    // A rule for another architecture.
    if (std::ranges::all_of(with_variants({&rules[i], 1}, seccomp_arch_native()),
                            [](const Rule& rule) { return rule.number < 0; }))
      continue;
    std::vector<Rule> fewer = rules;
    fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
    const auto program = compile_rules(fewer);
    ASSERT_TRUE(program.ok()) << program.error().text();
    EXPECT_GT(disagreements(*program, role_), 0U)
        << "nothing notices that the rule for " << name_of(static_cast<uint32_t>(rules[i].number), 0)
        << " is gone: " << rules[i].reason;
  }
}

// The same policies, compiled for other architectures and tested with the same calls by name.
TEST_P(TruthTableTest, OtherArchitecturesAreAsStrict) {
  for (const uint32_t architecture : {uint32_t{SCMP_ARCH_X86_64}, uint32_t{SCMP_ARCH_AARCH64},
                                      uint32_t{SCMP_ARCH_ARM}, uint32_t{SCMP_ARCH_RISCV64}}) {
    if (architecture == seccomp_arch_native()) continue;
    const auto program = compile_filter(*role_.policy, role_.needs, architecture);
    ASSERT_TRUE(program.ok()) << program.error().text();
    Names free = on(architecture, role_.free);
    free.merge(on(architecture, kCommonFree));
    size_t looked_at = 0;
    for (uint32_t number = 0; number <= kNewestCall; ++number) {
      const std::string name = name_of(number, architecture);
      if (name.empty()) continue;
      const uint32_t said = test::evaluate(*program, call_of(architecture, number, kOdd[0]));
      EXPECT_EQ(said == SECCOMP_RET_ALLOW, free.contains(name)) << name << " on " << architecture;
      ++looked_at;
    }
    EXPECT_GT(looked_at, 250U);
    for (const std::string& name : free)
      EXPECT_TRUE(has(architecture, name)) << name << " on " << architecture;
    const int native = seccomp_syscall_resolve_name("write");
    EXPECT_EQ(test::evaluate(*program, call_of(seccomp_arch_native(), static_cast<uint32_t>(native), {})),
              SECCOMP_RET_KILL_PROCESS);
  }
}

}  // namespace
}  // namespace localproxy::sandbox
