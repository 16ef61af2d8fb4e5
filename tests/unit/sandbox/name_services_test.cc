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

Needs needs(const NameServices& services, const std::set<std::string>& sockets) {
  return name_service_needs(services, [&](const char* path) { return sockets.contains(path); });
}

TEST(NameServicesTest, FilesAndDnsNeedNothing) {
  EXPECT_EQ(needs({.nsswitch = "passwd: files systemd\nhosts: files dns\n", .local_names = true},
                  {kResolved, kAvahi}),
            0U);
  EXPECT_EQ(needs({}, {kResolved, kAvahi}), 0U);
  EXPECT_EQ(needs({.nsswitch = "hosts:"}, {}), 0U);
}

TEST(NameServicesTest, AModuleAndItsSocketNeedUnixSockets) {
  EXPECT_EQ(needs({.nsswitch = "hosts: files resolve [!UNAVAIL=return] dns\n"}, {kResolved}), kUnixSockets);
  EXPECT_EQ(needs({.nsswitch = "  hosts:\tfiles mdns4 [NOTFOUND=return] dns"}, {kAvahi}), kUnixSockets);
}

TEST(NameServicesTest, AModuleWhoseServiceIsNotThereNeedsNothing) {
  EXPECT_EQ(needs({.nsswitch = "hosts: files resolve mdns4 dns\n"}, {}), 0U);
  EXPECT_EQ(needs({.nsswitch = "hosts: files resolve dns\n"}, {kAvahi}), 0U);
}

TEST(NameServicesTest, ModulesOfOtherLinesDoNotCount) {
  EXPECT_EQ(
      needs({.nsswitch = "networks: files resolve\n#hosts: resolve\nhosts: files # resolve\n"}, {kResolved}),
      0U);
}

TEST(NameServicesTest, ResolvedIsAskedByDnsWhereItIsTheFirstServer) {
  const std::string_view both = "hosts: files resolve [!UNAVAIL=return] dns\n";
  EXPECT_EQ(
      needs({.nsswitch = both, .resolv_conf = "# stub\nnameserver 127.0.0.53\nsearch x\n"}, {kResolved}), 0U);
  EXPECT_EQ(
      needs({.nsswitch = both, .resolv_conf = "nameserver 9.9.9.9\nnameserver 127.0.0.53\n"}, {kResolved}),
      kUnixSockets);
  EXPECT_EQ(
      needs({.nsswitch = "hosts: files resolve\n", .resolv_conf = "nameserver 127.0.0.53\n"}, {kResolved}),
      kUnixSockets);
}

TEST(NameServicesTest, TheMinimalModulesAreForLocalNamesAlone) {
  const std::string_view minimal = "hosts: files mdns4_minimal [NOTFOUND=return] dns\n";
  EXPECT_EQ(needs({.nsswitch = minimal}, {kAvahi}), 0U);
  EXPECT_EQ(needs({.nsswitch = minimal, .local_names = true}, {kAvahi}), kUnixSockets);
}

TEST(NameServicesTest, NscdNeedsAUnixSocketInAnyCase) {
  EXPECT_EQ(needs({.nsswitch = "hosts: files dns\n"}, {kNscd}), kUnixSockets);
  EXPECT_EQ(needs({}, {kNscd}), kUnixSockets);
}

TEST(NameServicesTest, MyhostnameNeedsTheInterfaces) {
  EXPECT_EQ(needs({.nsswitch = "hosts: files myhostname dns\n"}, {}), kInterfaces);
  EXPECT_EQ(needs({.nsswitch = "hosts: mymachines resolve files myhostname dns\n"}, {kResolved}), kAllNeeds);
}

}  // namespace
}  // namespace localproxy::sandbox
