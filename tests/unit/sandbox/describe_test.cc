// What --sandbox-policy prints: every rule of every table with its reason, in words that need no source.
#include "sandbox/describe.h"

#include <errno.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <set>
#include <string>

namespace localproxy::sandbox {
namespace {

using testing::HasSubstr;
using testing::Not;

const Policy* const kDescribed[] = {&kMonitorPolicy, &kNetPolicy, &kBridgePolicy, &kResolvePolicy,
                                    &kLaunchPolicy};

// Whether a text has the line of a rule, and the rule's reason behind it.
void expect_rule(const std::string& text, const Rule& rule) {
  const std::string left = "\n  " + describe(rule);
  bool found = false;
  for (size_t at = text.find(left); at != std::string::npos && !found; at = text.find(left, at + 1)) {
    const size_t reason = text.find_first_not_of(" \n", at + left.size());
    found = reason != std::string::npos && text.compare(reason, strlen(rule.reason), rule.reason) == 0;
  }
  EXPECT_TRUE(found) << describe(rule) << ": " << rule.reason;
}

class DescribeTest : public testing::TestWithParam<const Policy*> {};

INSTANTIATE_TEST_SUITE_P(Roles, DescribeTest, testing::ValuesIn(kDescribed),
                         [](const auto& each) { return std::string(each.param->role); });

TEST_P(DescribeTest, NamesEveryRuleAndItsReason) {
  const Policy& policy = *GetParam();
  const std::string text = describe(policy, {}, true);
  const std::string with_needs = describe(policy, {.needs = kAllNeeds}, true);
  EXPECT_THAT(text, HasSubstr("\n" + std::string(policy.role) + "\n"));
  for (const Rule& rule : policy.system_calls) {
    ASSERT_TRUE(holds(rule, 0) || holds(rule, kAllNeeds));
    if (holds(rule, 0)) expect_rule(text, rule);
    if (holds(rule, kAllNeeds)) expect_rule(with_needs, rule);
  }
  for (const Policy* started : policy.starts)
    EXPECT_THAT(text, HasSubstr(std::string(" ") + started->role));
}

TEST(DescribeNeedsTest, LeavesOutWhatTheRunDoesNotNeed) {
  const std::string allowed = "  socket  family = AF_UNIX, type = ";
  EXPECT_THAT(describe(kMonitorPolicy, {}, true), Not(HasSubstr(allowed)));
  EXPECT_THAT(describe(kMonitorPolicy, {.needs = kUnixSockets}, true), HasSubstr(allowed));
}

TEST_P(DescribeTest, DifferentRulesLookDifferent) {
  std::set<std::string> seen;
  for (const Rule& rule : GetParam()->system_calls)
    EXPECT_TRUE(seen.insert(describe(rule)).second) << describe(rule);
}

TEST_P(DescribeTest, NamesEveryArgument) {
  for (const auto& rules : {common_rules(), GetParam()->system_calls}) {
    for (const Rule& rule : rules)
      EXPECT_THAT(describe(rule), Not(HasSubstr("argument")));
  }
}

TEST_P(DescribeTest, SaysWhatIsLimited) {
  const Policy& policy = *GetParam();
  const std::string text = describe(policy, {}, true);
  EXPECT_EQ(text.find("with an empty root") != std::string::npos, policy.namespaces);
  EXPECT_EQ(text.find("no further process") != std::string::npos, !policy.may_fork);
  EXPECT_EQ(text.find("no byte into a file") != std::string::npos, !policy.may_write_files);
}

TEST_P(DescribeTest, SaysWhenThereIsNoLandlock) {
  EXPECT_THAT(describe(*GetParam(), {}, false), HasSubstr("Landlock: NO (--sandbox=no-landlock)"));
}

TEST(DescribeCommonTest, NamesEveryRuleAndVariant) {
  const std::string text = describe_common();
  for (const Rule& rule : common_rules())
    expect_rule(text, rule);
  for (const Variant& variant : variants_32bit())
    EXPECT_THAT(text, HasSubstr(variant.reason));
}

TEST(DescribeTest, NamesThePlacesOfTheConfiguration) {
  const std::string text = describe(kMonitorPolicy,
                                    {.token_directory = "/etc/tokens/",
                                     .socket_directories = {"/run/sockets/"},
                                     .target_sockets = {"/run/target.sock"},
                                     .connect_ports = {443, 8'443},
                                     .bind_ports = {5'555}},
                                    true);
  for (const char* place :
       {"read                        /etc/tokens/", "make and remove sockets     /run/sockets/",
        "connect to sockets          /run/target.sock", "connect to TCP port         443\n",
        "connect to TCP port         8443\n", "listen on TCP port          5555\n",
        "listen on TCP port          any free one\n", "signals may leave"})
    EXPECT_THAT(text, HasSubstr(place));
  EXPECT_THAT(describe(kNetPolicy, {}, true), HasSubstr("but these:\n  none\n"));
}

TEST(DescribeRuleTest, ShowsEachKindOfCondition) {
  EXPECT_EQ(describe(allow(SCMP_SYS(read), "")), "read");
  EXPECT_EQ(describe(allow(SCMP_SYS(recvmsg), equals(2, MSG_CMSG_CLOEXEC), "")),
            "recvmsg  flags = MSG_CMSG_CLOEXEC");
  EXPECT_EQ(describe(allow(SCMP_SYS(mmap), none_of(2, PROT_EXEC), only(3, MAP_PRIVATE | MAP_FIXED), "")),
            "mmap  protection without PROT_EXEC, flags only of MAP_PRIVATE | MAP_FIXED");
  EXPECT_EQ(describe(allow(SCMP_SYS(socket), equals(0, AF_INET),
                           equals_but(1, SOCK_CLOEXEC | SOCK_NONBLOCK, SOCK_STREAM), "")),
            "socket  family = AF_INET, type = SOCK_STREAM (also with SOCK_CLOEXEC | SOCK_NONBLOCK)");
  EXPECT_EQ(describe(allow(SCMP_SYS(setsockopt), equals(1, SOL_SOCKET), equals(2, SO_LINGER), "")),
            "setsockopt  level = SOL_SOCKET, option = SO_LINGER");
  EXPECT_EQ(describe(refuse(SCMP_SYS(madvise), equals(2, MADV_HUGEPAGE), EINVAL, "")),
            "madvise  advice = MADV_HUGEPAGE  -> EINVAL");
  EXPECT_EQ(describe(allow(SCMP_SYS(mmap), all_of(3, MAP_PRIVATE | 0x4000'0000), "")),
            "mmap  flags with MAP_PRIVATE | 0x40000000");
  EXPECT_EQ(describe(allow(SCMP_SYS(kill), one_process(0), "")), "kill  process > 0");
  EXPECT_EQ(describe(allow(SCMP_SYS(clock_gettime), only(0, 7), "")), "clock_gettime  clock <= 7");
}

}  // namespace
}  // namespace localproxy::sandbox
