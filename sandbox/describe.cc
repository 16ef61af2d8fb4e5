#include "sandbox/describe.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <bit>
#include <iterator>
#include <memory>
#include <set>
#include <string_view>

#include "sandbox/filter.h"

namespace localproxy::sandbox {
namespace {

struct Name {
  uint32_t value;
  const char* text;
};
#define NAME(constant)                         \
  Name {                                       \
    static_cast<uint32_t>(constant), #constant \
  }

// What has no name here is shown as a number.
constexpr Name kProtection[] = {NAME(PROT_READ), NAME(PROT_WRITE), NAME(PROT_EXEC), {0x10, "PROT_BTI"}};
constexpr Name kMapping[] = {NAME(MAP_PRIVATE),       NAME(MAP_SHARED),    NAME(MAP_FIXED),
                             {0x08, "MAP_DROPPABLE"}, NAME(MAP_ANONYMOUS), NAME(MAP_DENYWRITE),
                             NAME(MAP_NORESERVE),     NAME(MAP_HUGETLB)};
constexpr Name kMoving[] = {NAME(MREMAP_MAYMOVE)};
constexpr Name kAdvice[] = {NAME(MADV_DONTNEED), NAME(MADV_HUGEPAGE), NAME(MADV_DONTDUMP),
                            NAME(MADV_WIPEONFORK)};
constexpr Name kFutex[] = {NAME(FUTEX_WAKE_PRIVATE)};
constexpr Name kMessage[] = {NAME(MSG_DONTWAIT), NAME(MSG_NOSIGNAL), NAME(MSG_TRUNC), NAME(MSG_CMSG_CLOEXEC)};
// The access mode O_RDONLY is 0.
constexpr Name kOpen[] = {NAME(O_CLOEXEC), NAME(O_NONBLOCK), NAME(O_NOCTTY), NAME(O_DIRECTORY), NAME(O_PATH)};
constexpr Name kFamily[] = {NAME(AF_UNIX), NAME(AF_INET), NAME(AF_INET6), NAME(AF_NETLINK)};
constexpr Name kType[] = {NAME(SOCK_CLOEXEC), NAME(SOCK_NONBLOCK), NAME(SOCK_SEQPACKET),
                          NAME(SOCK_RAW),     NAME(SOCK_DGRAM),    NAME(SOCK_STREAM)};
constexpr Name kLevel[] = {NAME(IPPROTO_IP), NAME(SOL_SOCKET), NAME(IPPROTO_TCP), NAME(IPPROTO_IPV6),
                           NAME(SOL_NETLINK)};
constexpr Name kShutdown[] = {NAME(SHUT_RD), NAME(SHUT_WR)};
constexpr Name kSplice[] = {NAME(SPLICE_F_MOVE), NAME(SPLICE_F_NONBLOCK)};
constexpr Name kDescriptor[] = {NAME(F_DUPFD_CLOEXEC), NAME(F_GETFD), NAME(F_SETFD),
                                NAME(F_GETFL),         NAME(F_SETFL), NAME(F_SETPIPE_SZ)};
constexpr Name kRequest[] = {NAME(FIONREAD), NAME(SIOCOUTQ)};
constexpr Name kClone[] = {NAME(CLONE_NEWUSER),        NAME(CLONE_NEWNET), NAME(CLONE_NEWNS),
                           NAME(CLONE_NEWIPC),         NAME(CLONE_NEWUTS), NAME(CLONE_CHILD_SETTID),
                           NAME(CLONE_CHILD_CLEARTID), NAME(SIGCHLD)};
constexpr Name kSignal[] = {NAME(SIGKILL)};
constexpr Name kAt[] = {NAME(AT_EMPTY_PATH)};
constexpr Name kRange[] = {NAME(CLOSE_RANGE_CLOEXEC)};
constexpr Name kResource[] = {NAME(RLIMIT_AS),     NAME(RLIMIT_CORE),  NAME(RLIMIT_DATA), NAME(RLIMIT_FSIZE),
                              NAME(RLIMIT_NOFILE), NAME(RLIMIT_NPROC), NAME(RLIMIT_STACK)};
constexpr Name kProcess[] = {NAME(PR_SET_PDEATHSIG),    NAME(PR_GET_PDEATHSIG),  NAME(PR_GET_DUMPABLE),
                             NAME(PR_SET_DUMPABLE),     NAME(PR_GET_SECCOMP),    NAME(PR_CAPBSET_READ),
                             NAME(PR_CAPBSET_DROP),     NAME(PR_GET_SECUREBITS), NAME(PR_SET_NO_NEW_PRIVS),
                             NAME(PR_GET_NO_NEW_PRIVS), NAME(PR_CAP_AMBIENT),    {65, "PR_SET_MDWE"},
                             {66, "PR_GET_MDWE"}};
constexpr Name kSeccomp[] = {NAME(SECCOMP_SET_MODE_STRICT), NAME(SECCOMP_SET_MODE_FILTER),
                             NAME(SECCOMP_GET_ACTION_AVAIL), NAME(SECCOMP_GET_NOTIF_SIZES)};
constexpr Name kFilter[] = {NAME(SECCOMP_FILTER_FLAG_TSYNC), NAME(SECCOMP_FILTER_FLAG_LOG),
                            NAME(SECCOMP_FILTER_FLAG_SPEC_ALLOW), NAME(SECCOMP_FILTER_FLAG_NEW_LISTENER),
                            NAME(SECCOMP_FILTER_FLAG_TSYNC_ESRCH)};

// An argument that policies have conditions on.
struct Parameter {
  const char* call;
  unsigned index;
  const char* name;
  std::span<const Name> values = {};
  bool is_set = false;  // of bits
};

constexpr Parameter kParameters[] = {
    {"accept4", 3, "flags", kType, true},
    {"clock_gettime", 0, "clock"},
    {"clone", 0, "flags", kClone, true},
    {"close_range", 2, "flags", kRange, true},
    {"dup3", 2, "flags"},
    {"execveat", 4, "flags", kAt, true},
    {"fcntl", 1, "command", kDescriptor},
    {"futex", 1, "operation", kFutex},
    {"getrandom", 2, "flags"},
    {"getsockopt", 1, "level", kLevel},
    {"getsockopt", 2, "option"},
    {"ioctl", 1, "request", kRequest},
    {"kill", 0, "process"},
    {"kill", 1, "signal", kSignal},
    {"madvise", 2, "advice", kAdvice},
    {"mmap", 2, "protection", kProtection, true},
    {"mmap", 3, "flags", kMapping, true},
    {"mprotect", 2, "protection", kProtection, true},
    {"mremap", 3, "flags", kMoving, true},
    {"openat", 2, "flags", kOpen, true},
    {"pipe2", 1, "flags", kOpen, true},
    {"prctl", 0, "operation", kProcess},
    {"prctl", 1, "value"},
    {"prlimit64", 0, "process"},
    {"prlimit64", 1, "resource", kResource},
    {"recvfrom", 3, "flags", kMessage, true},
    {"recvmsg", 2, "flags", kMessage, true},
    {"seccomp", 0, "operation", kSeccomp},
    {"seccomp", 1, "flags", kFilter, true},
    {"sendmmsg", 3, "flags", kMessage, true},
    {"sendmsg", 2, "flags", kMessage, true},
    {"sendto", 3, "flags", kMessage, true},
    {"setsockopt", 1, "level", kLevel},
    {"setsockopt", 2, "option"},
    {"shutdown", 1, "how", kShutdown},
    {"socket", 0, "family", kFamily},
    {"socket", 1, "type", kType, true},
    {"socket", 2, "protocol"},
    {"socketpair", 0, "family", kFamily},
    {"socketpair", 1, "type", kType, true},
    {"splice", 5, "flags", kSplice, true},
    {"ugetrlimit", 0, "resource", kResource},
    {"unlinkat", 2, "flags"},
    {"unshare", 0, "flags", kClone, true},
};

struct Option {
  uint32_t level;
  Name name;
};
// Their numbers mean something else at each level.
constexpr Option kOptions[] = {
    {SOL_SOCKET, NAME(SO_REUSEADDR)},     {SOL_SOCKET, NAME(SO_TYPE)},
    {SOL_SOCKET, NAME(SO_ERROR)},         {SOL_SOCKET, NAME(SO_RCVBUF)},
    {SOL_SOCKET, NAME(SO_LINGER)},        {SOL_SOCKET, NAME(SO_PROTOCOL)},
    {IPPROTO_IP, NAME(IP_RECVERR)},       {IPPROTO_IPV6, NAME(IPV6_RECVERR)},
    {IPPROTO_IPV6, NAME(IPV6_V6ONLY)},    {IPPROTO_TCP, NAME(TCP_NODELAY)},
    {IPPROTO_TCP, NAME(TCP_INFO)},        {IPPROTO_TCP, NAME(TCP_NOTSENT_LOWAT)},
    {SOL_NETLINK, NAME(NETLINK_PKTINFO)}, {SOL_NETLINK, NAME(NETLINK_LIST_MEMBERSHIPS)},
    {SOL_NETLINK, NAME(NETLINK_EXT_ACK)}, {SOL_NETLINK, NAME(NETLINK_GET_STRICT_CHK)},
};
#undef NAME

// Of the left column.
constexpr size_t kCallWidth = 44;
constexpr size_t kPlaceWidth = 28;

std::string call_name(int number) {
  const std::unique_ptr<char, decltype(&free)> name(
      seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number), &free);
  return name ? name.get() : "call " + std::to_string(number);
}

std::string hexadecimal(uint32_t value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  do {
    text.insert(text.begin(), kDigits[value % 16]);
    value /= 16;
  } while (value != 0);
  return "0x" + text;
}

// "A | B | 0x40"
std::string set_text(const Parameter& parameter, uint32_t bits) {
  std::string text;
  const auto append = [&text](const std::string& more) { text += (text.empty() ? "" : " | ") + more; };
  for (const auto& [value, name] : parameter.values) {
    if (value == 0 || (bits & value) != value) continue;
    append(name);
    bits &= ~value;
  }
  if (bits != 0 || text.empty()) append(bits == 0 ? "0" : hexadecimal(bits));
  return text;
}

std::string value_text(const Parameter& parameter, uint32_t value) {
  if (parameter.is_set) return set_text(parameter, value);
  const auto found = std::ranges::find(parameter.values, value, &Name::value);
  return found != parameter.values.end() ? found->text : std::to_string(value);
}

std::string condition_text(const Parameter& parameter, const Arg& condition) {
  const auto mask = static_cast<uint32_t>(condition.mask);
  const auto value = static_cast<uint32_t>(condition.value);
  const std::string name = std::string(parameter.name) + " ";
  if (condition.any != 0) return name + "> 0";
  if (mask == ~0U) return name + "= " + value_text(parameter, value);
  // only() and equals_but() look at all bits but a few; all_of() and none_of() at a few.
  if (std::popcount(mask) <= 16)
    return name + (value == 0 ? "without " : "with ") + set_text(parameter, mask);
  if (!parameter.is_set && value == 0) return name + "<= " + std::to_string(~mask);
  if (value == 0) return name + "only of " + set_text(parameter, ~mask);
  return name + "= " + value_text(parameter, value) + " (also with " + set_text(parameter, ~mask) + ")";
}

Parameter parameter_of(const std::string& call, unsigned index) {
  const auto found = std::ranges::find_if(
      kParameters, [&](const Parameter& each) { return each.call == call && each.index == index; });
  return found != std::end(kParameters) ? *found : Parameter{"", index, "argument"};
}

const char* option_name(uint64_t level, uint64_t option) {
  const auto found = std::ranges::find_if(
      kOptions, [&](const Option& each) { return each.level == level && each.name.value == option; });
  return found != std::end(kOptions) ? found->name.text : nullptr;
}

// Two columns; the right one goes to the next line if there is no room.
std::string line(size_t width, const std::string& left, const std::string& right) {
  const bool fits = left.size() + 2 <= width;
  return "  " + left + (fits ? "" : "\n  ") + std::string(fits ? width - left.size() : width, ' ') + right +
         "\n";
}

std::string calls_text(std::span<const Rule> rules, Needs needs) {
  std::string text;
  for (const Rule& rule : rules)
    if (holds(rule, needs)) text += line(kCallWidth, describe(rule), rule.reason);
  return text;
}

// Each place once, whichever files it is for.
std::string places_text(const char* what, const std::vector<std::string>& places) {
  std::string text;
  for (const std::string& place : std::set<std::string>(places.begin(), places.end()))
    text += line(kPlaceWidth, what, place);
  return text;
}

std::string landlock_text(const LandlockRules& rules) {
  std::string text = places_text("read", rules.read) + places_text("read and run", rules.execute);
  if (!rules.execute_files.empty())
    text += line(kPlaceWidth, "run", "the programs of the processes that it starts");
  text += places_text("make and remove sockets", rules.make_sockets);
  text += places_text("connect to sockets", rules.connect_sockets);
  for (const uint16_t port : rules.connect_ports)
    text += line(kPlaceWidth, "connect to TCP port", std::to_string(port));
  for (const uint16_t port : rules.bind_ports)
    text += line(kPlaceWidth, "listen on TCP port", port == 0 ? "any free one" : std::to_string(port));
  return "Landlock: no file, no directory and no TCP port but these:\n" + (text.empty() ? "  none\n" : text) +
         (rules.scope_signals ? "Landlock: signals and abstract sockets stay inside\n"
                              : "Landlock: abstract sockets stay inside; signals may leave\n");
}

}  // namespace

std::string describe(const Rule& rule) {
  const std::string call = call_name(rule.number);
  std::string text;
  for (const Arg& condition : std::span(rule.args, rule.arg_count)) {
    text += text.empty() ? "  " : ", ";
    const char* option = nullptr;
    if (condition.index == 2 && call.ends_with("sockopt"))
      option = option_name(rule.args[0].value, condition.value);
    text += option != nullptr ? "option = " + std::string(option)
                              : condition_text(parameter_of(call, condition.index), condition);
  }
  const char* error = rule.error != 0 ? ::strerrorname_np(rule.error) : nullptr;
  return call + text + (error != nullptr ? std::string("  -> ") + error : "");
}

std::string describe_common() {
  std::string text =
      "EVERY PROCESS\n\n"
      "One thread, an ordinary user, no capability, no-new-privs; not dumpable; memory that was writable "
      "never\n"
      "becomes executable; no core file; it ends with the process that started it.\n\n"
      "System calls. What is listed neither here nor for the process kills it. A call newer than number " +
      std::to_string(kNewestCall) +
      "\nfails with ENOSYS. Conditions look at the lower 32 bits of an argument.\n" +
      calls_text(common_rules(), 0) +
      "\nOn 32-bit kernels, a rule for the one call is a rule for the other, too:\n";
  for (const Variant& variant : variants_32bit())
    text += line(kCallWidth, call_name(variant.of) + ", " + call_name(variant.number), variant.reason);
  return text;
}

std::string describe(const Policy& policy, const PolicyInputs& inputs, bool landlock) {
  std::string text =
      "\n" + std::string(policy.role) + "\n\nSystem calls:\n" + calls_text(policy.system_calls, inputs.needs);
  if (!policy.starts.empty()) {
    text += "and, since a filter is inherited, those of the processes that it starts:";
    for (const Policy* started : policy.starts)
      text += std::string(" ") + started->role;
    text += "\n";
  }
  text +=
      "\n" + (landlock ? landlock_text(policy.landlock(inputs)) : "Landlock: NO (--sandbox=no-landlock)\n");
  text += policy.namespaces ? "Namespaces: its own for users, network, mounts, IPC and host name, with an "
                              "empty root, where the "
                              "system\n  grants them\n"
                            : "Namespaces: those of the system\n";
  text += "Limits: ";
  text += policy.may_fork ? "" : "no further process; ";
  text += policy.may_write_files ? "files of any size\n" : "no byte into a file\n";
  return text;
}

}  // namespace localproxy::sandbox
