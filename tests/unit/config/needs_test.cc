#include "config/needs.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace localproxy::config {
namespace {

using Ports = std::vector<uint16_t>;
using Directories = std::vector<std::string>;
using Kind = LocalAddress::Kind;

// A configuration with a service of each kind, and one for other services of the tunnel.
Config config_of(Mode mode) {
  Config config;
  config.mode = mode;
  config.endpoint = {"tunnel.example", 443};
  config.services = {{"SSH", {.kind = Kind::kTcp, .port = 2'222}},
                     {"DB", {.kind = Kind::kUnix, .path = "/run/sockets/db"}},
                     {"IN", {.kind = Kind::kStdio}}};
  config.known_services = {{"WEB", {.kind = Kind::kTcp, .port = 8'080}},
                           {"LOG", {.kind = Kind::kUnix, .path = "/log"}}};
  return config;
}

TEST(NeedsTest, ASourceListensAndConnectsToTheServiceAlone) {
  const Config config = config_of(Mode::kSource);
  EXPECT_EQ(bind_ports(config), (Ports{2'222, 8'080}));
  EXPECT_EQ(connect_ports(config), (Ports{443}));
  EXPECT_EQ(socket_directories(config), (Directories{"/run/sockets/", "/"}));
}

TEST(NeedsTest, ADestinationConnectsAndListensNowhere) {
  const Config config = config_of(Mode::kDestination);
  EXPECT_EQ(connect_ports(config), (Ports{443, 2'222, 8'080}));
  EXPECT_EQ(bind_ports(config), Ports());
  EXPECT_EQ(socket_directories(config), Directories());
}

TEST(NeedsTest, OnlyADestinationAndALateListenerMakeUnixSockets) {
  Config config = config_of(Mode::kDestination);
  EXPECT_TRUE(makes_unix_sockets(config));
  EXPECT_EQ(target_sockets(config), (Directories{"/run/sockets/", "/", "/run/sockets/db", "/log"}));
  config = config_of(Mode::kSource);
  EXPECT_FALSE(makes_unix_sockets(config)) << "they are bound at the start";
  EXPECT_EQ(target_sockets(config), Directories());
  config.services.clear();
  EXPECT_TRUE(makes_unix_sockets(config)) << "the tunnel may have LOG";
  config.known_services.pop_back();
  EXPECT_FALSE(makes_unix_sockets(config));
  config.mode = Mode::kDestination;
  EXPECT_FALSE(makes_unix_sockets(config));
}

TEST(NeedsTest, LocalNamesAreThoseOfMulticastDns) {
  Config config = config_of(Mode::kDestination);
  EXPECT_FALSE(looks_up_local_names(config));
  config.services[0].address.host = "printer.LOCAL.";
  EXPECT_TRUE(looks_up_local_names(config));
  config.services[0].address.host = "local.example";
  EXPECT_FALSE(looks_up_local_names(config));
  config.bind_address = "me.local";
  EXPECT_TRUE(looks_up_local_names(config));
  config.bind_address = "local";
  EXPECT_FALSE(looks_up_local_names(config));
  config.web_proxy.emplace();
  config.web_proxy->host = "proxy.local";
  EXPECT_TRUE(looks_up_local_names(config));
}

TEST(NeedsTest, AWebProxyStandsInForTheService) {
  Config config = config_of(Mode::kSource);
  config.web_proxy.emplace();
  config.web_proxy->port = 3'128;
  EXPECT_EQ(connect_ports(config), (Ports{3'128}));
}

TEST(NeedsTest, TheTokenFileIsNeededWithItsDirectory) {
  Config config;
  EXPECT_EQ(token_directory(config), "");
  config.access_token_file = "/etc/tokens/access";
  EXPECT_EQ(token_directory(config), "/etc/tokens/");
  config.access_token_file = "/access";
  EXPECT_EQ(token_directory(config), "/");
}

}  // namespace
}  // namespace localproxy::config
