#include "sandbox/seccomp.h"

#include <seccomp.h>

#include <memory>
#include <string>

namespace localproxy::sandbox {
namespace {

struct Release {
  void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, Release>;

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
  return system_error(std::string("seccomp rule for ") + (name ? name.get() : "a system call"), -added);
}

}  // namespace

Result<> enter_seccomp(const Policy& policy) {
  Filter filter(seccomp_init(SCMP_ACT_KILL_PROCESS));
  if (!filter) return Error("seccomp_init failed");
  if (int e = seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS); e != 0) {
    return system_error("seccomp_attr_set", -e);
  }
  // A binary tree instead of a long chain of comparisons: every system call pays for this.
  if (int e = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2); e != 0) {
    return system_error("seccomp_attr_set", -e);
  }
  for (const auto& rules : {common_rules(), policy.rules}) {
    for (const Rule& rule : rules) {
      if (auto added = add(filter.get(), rule); !added) return added;
    }
  }
  if (int e = seccomp_load(filter.get()); e != 0) return system_error("seccomp_load", -e);
  return {};
}

}  // namespace localproxy::sandbox
