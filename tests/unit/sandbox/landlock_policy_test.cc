// The Landlock rules of each role, written a second time: those that depend on the configuration, and those
// that do not. forbidden_test.cc tests what the kernel enforces.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sandbox/policy.h"

namespace localproxy::sandbox {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::IsEmpty;
using testing::IsSubsetOf;
using testing::IsSupersetOf;

PolicyInputs all_inputs() {
  return {.token_directory = "/run/tokens/",
          .socket_directories = {"/run/sockets/", "/srv/"},
          .target_sockets = {"/run/app/", "/run/app/socket"},
          .connect_ports = {443, 22},
          .bind_ports = {5'555},
          .programs = {4, 5, 6},
          .certificate_directories = {"/nowhere/certificates"},
          .certificate_files = {"/usr/share/one.pem"}};
}

void expect_nothing(const LandlockRules& rules) {
  EXPECT_THAT(rules.read, IsEmpty());
  EXPECT_THAT(rules.execute, IsEmpty());
  EXPECT_THAT(rules.execute_files, IsEmpty());
  EXPECT_THAT(rules.make_sockets, IsEmpty());
  EXPECT_THAT(rules.connect_sockets, IsEmpty());
  EXPECT_THAT(rules.connect_ports, IsEmpty());
  EXPECT_THAT(rules.bind_ports, IsEmpty());
  EXPECT_TRUE(rules.scope_signals);
}

TEST(LandlockPolicyTest, NetAndBridgeReachNothingWhateverIsConfigured) {
  expect_nothing(kNetPolicy.landlock(all_inputs()));
  expect_nothing(kBridgePolicy.landlock(all_inputs()));
}

TEST(LandlockPolicyTest, TheMonitorReachesWhatIsConfigured) {
  const LandlockRules rules = kMonitorPolicy.landlock(all_inputs());
  EXPECT_THAT(rules.read, ElementsAre("/run/tokens/"));
  EXPECT_THAT(rules.make_sockets, ElementsAre("/run/sockets/", "/srv/"));
  EXPECT_THAT(rules.connect_sockets, ElementsAre("/run/app/", "/run/app/socket", "/run/sockets/", "/srv/"));
  EXPECT_THAT(rules.connect_ports, ElementsAre(443, 22));
  EXPECT_THAT(rules.bind_ports, ElementsAre(0, 5'555));
  EXPECT_THAT(rules.execute, IsEmpty());
  EXPECT_THAT(rules.execute_files, IsEmpty());
  EXPECT_FALSE(rules.scope_signals);
}

TEST(LandlockPolicyTest, WithoutATokenFileTheMonitorReadsNothing) {
  EXPECT_THAT(kMonitorPolicy.landlock({}).read, IsEmpty());
}

TEST(LandlockPolicyTest, LaunchRunsTheHelpersAndTheirInterpreterOnly) {
  const LandlockRules rules = kLaunchPolicy.landlock(all_inputs());
  EXPECT_THAT(rules.execute_files, ElementsAre(4, 5, 6));
  EXPECT_THAT(rules.execute, ElementsAre("/lib", "/lib64", "/usr/lib", "/usr/lib64"));
  EXPECT_THAT(rules.read, IsSupersetOf({"/etc", "/usr", "/proc", "/nowhere/certificates", "/usr/share"}));
  EXPECT_THAT(rules.make_sockets, IsEmpty());
  EXPECT_THAT(rules.connect_ports, ElementsAre(53));
  EXPECT_THAT(rules.bind_ports, IsEmpty());
  EXPECT_TRUE(rules.scope_signals);
}

TEST(LandlockPolicyTest, ResolveReadsResolverFilesAndLibrariesOnly) {
  const LandlockRules rules = kResolvePolicy.landlock(all_inputs());
  EXPECT_THAT(rules.read, IsSupersetOf({"/etc/resolv.conf", "/etc/hosts", "/usr/lib", "/run/nscd"}));
  for (const char* directory : {"/", "/etc", "/usr", "/run", "/proc", "/run/tokens/"})
    EXPECT_THAT(rules.read, testing::Not(testing::Contains(directory)));
  EXPECT_THAT(rules.execute, IsEmpty());
  EXPECT_THAT(rules.execute_files, IsEmpty());
  EXPECT_THAT(rules.make_sockets, IsEmpty());
  EXPECT_THAT(rules.connect_ports, ElementsAre(53));
  EXPECT_THAT(rules.bind_ports, IsEmpty());
  EXPECT_TRUE(rules.scope_signals);
}

// launch's domain is in force in resolve as well.
TEST(LandlockPolicyTest, LaunchLetsResolveConnectToWhatItNeeds) {
  const auto sockets = kResolvePolicy.landlock({}).connect_sockets;
  EXPECT_THAT(sockets, ElementsAre("/run/systemd/resolve", "/run/nscd", "/run/avahi-daemon"));
  EXPECT_THAT(kLaunchPolicy.landlock({}).connect_sockets, ElementsAreArray(sockets));
  EXPECT_THAT(kResolvePolicy.landlock({}).connect_ports,
              IsSubsetOf(kLaunchPolicy.landlock({}).connect_ports));
}

}  // namespace
}  // namespace localproxy::sandbox
