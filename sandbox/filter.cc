#include "sandbox/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>

#include "base/fd.h"

namespace localproxy::sandbox {
namespace {

struct Release {
  void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, Release>;

std::span<const Arg> conditions(const Rule& rule) {
  return {rule.args, rule.arg_count};
}

Error failed(const std::string& what, int returned) {
  return system_error("seccomp: " + what, -returned);
}

// One condition for each bit of `any`, of which libseccomp knows nothing.
std::vector<Rule> without_any(const Rule& rule) {
  for (size_t i = 0; i < rule.arg_count; ++i) {
    const Arg& arg = rule.args[i];
    if (arg.any == 0) continue;
    std::vector<Rule> rules;
    for (uint64_t bit = 1; bit != 0; bit <<= 1) {
      if ((arg.any & bit) == 0) continue;
      rules.push_back(rule);
      rules.back().args[i] = {arg.index, arg.mask | bit, arg.value | bit};
    }
    return rules;
  }
  return {rule};
}

Result<> add(scmp_filter_ctx filter, const Rule& rule) {
  scmp_arg_cmp args[kMaxArgs];
  for (size_t i = 0; i < rule.arg_count; ++i) {
    args[i] = {rule.args[i].index, SCMP_CMP_MASKED_EQ, rule.args[i].mask, rule.args[i].value};
  }
  const uint32_t action =
      rule.error == 0 ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(static_cast<uint32_t>(rule.error) & 0xffffU);
  const int added =
      seccomp_rule_add_array(filter, action, rule.number, static_cast<unsigned>(rule.arg_count), args);
  if (added == 0) return {};
  std::unique_ptr<char, decltype(&free)> name(seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, rule.number),
                                              &free);
  return failed(std::string("rule for ") + (name ? name.get() : "a system call"), added);
}

Result<Filter> make(std::span<const Rule> rules, uint32_t architecture) {
  Filter filter(seccomp_init(SCMP_ACT_KILL_PROCESS));
  if (!filter) return Error("seccomp_init failed");
  if (int e = seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS); e != 0)
    return failed("bad architectures", e);
  // A binary tree instead of a long chain of comparisons: every system call pays for the search.
  if (int e = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2); e != 0) return failed("tree", e);
  if (architecture != seccomp_arch_native()) {
    if (int e = seccomp_arch_add(filter.get(), architecture); e != 0) return failed("architecture", e);
    if (int e = seccomp_arch_remove(filter.get(), SCMP_ARCH_NATIVE); e != 0) return failed("architecture", e);
  }
  for (const Rule& rule : rules) {
    for (const Rule& simple : without_any(rule))
      if (auto added = add(filter.get(), simple); !added) return added.error();
  }
  return filter;
}

// The program that libseccomp compiles from a filter, which it can write only to a descriptor.
Result<FilterProgram> program_of(scmp_filter_ctx filter) {
  auto pipe = make_pipe();
  if (!pipe) return pipe.error();
  if (int e = seccomp_export_bpf(filter, pipe->second.get()); e != 0) return failed("export", e);
  FilterProgram program(BPF_MAXINSNS);
  const ssize_t size = ::read(pipe->first.get(), program.data(), program.size() * sizeof(sock_filter));
  if (size <= 0 || static_cast<size_t>(size) % sizeof(sock_filter) != 0) return Error("seccomp: no program");
  program.resize(static_cast<size_t>(size) / sizeof(sock_filter));
  return program;
}

// Runs before the program: to a process, calls newer than the policies do not exist. libseccomp has no such
// action.
std::array<sock_filter, 7> newer_calls(uint32_t architecture) {
  constexpr uint32_t kNoSuchCall = SECCOMP_RET_ERRNO | (ENOSYS & SECCOMP_RET_DATA);
  return {{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, architecture, 0, 4),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, kNewestCall, 0, 2),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kFirstForeignCall, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, kNoSuchCall),
      // The jumps land here. The program that follows loads what it needs itself.
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
  }};
}

}  // namespace

bool covers(const Rule& wide, const Rule& narrow) {
  const auto implied = [&narrow](const Arg& condition) {
    return std::ranges::any_of(conditions(narrow), [&condition](const Arg& stricter) {
      return stricter.index == condition.index && (stricter.mask & condition.mask) == condition.mask &&
             (stricter.value & condition.mask) == condition.value &&
             (condition.any == 0 || condition.any == stricter.any);
    });
  };
  return wide.number == narrow.number && wide.error == narrow.error &&
         std::ranges::all_of(conditions(wide), implied);
}

std::vector<Rule> all_rules(const Policy& policy, Needs needs) {
  std::vector<Rule> rules;
  const auto add = [&rules, needs](std::span<const Rule> more) {
    for (const Rule& rule : more) {
      if (!holds(rule, needs)) continue;
      if (std::ranges::any_of(rules, [&rule](const Rule& other) { return covers(other, rule); })) continue;
      std::erase_if(rules, [&rule](const Rule& other) { return covers(rule, other); });
      rules.push_back(rule);
    }
  };
  add(common_rules());
  add(policy.system_calls);
  for (const Policy* started : policy.starts)
    add(started->system_calls);
  return rules;
}

std::vector<Rule> with_variants(std::span<const Rule> rules, uint32_t architecture) {
  std::vector<Rule> all(rules.begin(), rules.end());
  if ((architecture & __AUDIT_ARCH_64BIT) != 0) return all;
  for (const Variant& variant : variants_32bit()) {
    for (Rule rule : rules) {
      if (rule.number != variant.of) continue;
      rule.number = variant.number;
      if (std::ranges::none_of(all, [&rule](const Rule& other) { return covers(other, rule); }))
        all.push_back(rule);
    }
  }
  return all;
}

Result<FilterProgram> compile_filter(const Policy& policy, Needs needs, uint32_t architecture) {
  return compile_rules(all_rules(policy, needs), architecture);
}

Result<FilterProgram> compile_rules(std::span<const Rule> rules, uint32_t architecture) {
  if (architecture == 0) architecture = seccomp_arch_native();
  auto filter = make(with_variants(rules, architecture), architecture);
  if (!filter) return filter.error();
  auto program = program_of(filter->get());
  if (!program) return program;
  const auto front = newer_calls(architecture);
  program->insert(program->begin(), front.begin(), front.end());
  if (program->size() > BPF_MAXINSNS) return Error("seccomp: the program is too long");
  return program;
}

Result<> enter_filter(const FilterProgram& program) {
  const sock_fprog kernel_program{static_cast<unsigned short>(program.size()),
                                  const_cast<sock_filter*>(program.data())};
  if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &kernel_program) != 0)
    return system_error("seccomp", errno);
  return {};
}

}  // namespace localproxy::sandbox
