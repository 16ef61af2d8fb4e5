// When resolve, and with it launch, gets more than files and DNS need.
#include "sandbox/name_services.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace localproxy::sandbox {
namespace {

constexpr const char* kResolved = "/run/systemd/resolve/io.systemd.Resolve";
constexpr const char* kAvahi = "/var/run/avahi-daemon/socket";
constexpr const char* kNscd = "/var/run/nscd/socket";

Needs needs(std::string_view nsswitch, const std::set<std::string>& sockets) {
  return name_service_needs(nsswitch, [&](const char* path) { return sockets.contains(path); });
}

TEST(NameServicesTest, FilesAndDnsNeedNothing) {
  EXPECT_EQ(needs("passwd: files systemd\nhosts: files dns\n", {kResolved, kAvahi}), 0U);
  EXPECT_EQ(needs("", {kResolved, kAvahi}), 0U);
  EXPECT_EQ(needs("hosts:", {}), 0U);
}

TEST(NameServicesTest, AModuleAndItsSocketNeedUnixSockets) {
  EXPECT_EQ(needs("hosts: files resolve [!UNAVAIL=return] dns\n", {kResolved}), kUnixSockets);
  EXPECT_EQ(needs("  hosts:\tfiles mdns4_minimal [NOTFOUND=return] dns", {kAvahi}), kUnixSockets);
}

TEST(NameServicesTest, AModuleWhoseServiceIsNotThereNeedsNothing) {
  EXPECT_EQ(needs("hosts: files resolve mdns4 dns\n", {}), 0U);
  EXPECT_EQ(needs("hosts: files resolve dns\n", {kAvahi}), 0U);
}

TEST(NameServicesTest, ModulesOfOtherLinesDoNotCount) {
  EXPECT_EQ(needs("networks: files resolve\n#hosts: resolve\nhosts: files # resolve\n", {kResolved}), 0U);
}

TEST(NameServicesTest, NscdNeedsAUnixSocketInAnyCase) {
  EXPECT_EQ(needs("hosts: files dns\n", {kNscd}), kUnixSockets);
  EXPECT_EQ(needs("", {kNscd}), kUnixSockets);
}

TEST(NameServicesTest, MyhostnameNeedsTheInterfaces) {
  EXPECT_EQ(needs("hosts: files myhostname dns\n", {}), kInterfaces);
  EXPECT_EQ(needs("hosts: mymachines resolve files myhostname dns\n", {kResolved}), kAllNeeds);
}

}  // namespace
}  // namespace localproxy::sandbox
