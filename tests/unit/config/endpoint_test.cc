#include "config/endpoint.h"

#include <gtest/gtest.h>
#include <net/if.h>

#include <string>
#include <vector>

namespace localproxy::config {
namespace {

using namespace std::string_literals;
using Kind = LocalAddress::Kind;

std::string text_of(const LocalAddress& address) {
  switch (address.kind) {
    case Kind::kTcp:
      return "tcp " + address.host + " " + std::to_string(address.port);
    case Kind::kUnix:
      return "unix " + address.path;
    case Kind::kStdio:
      return "stdio";
  }
  return {};
}

std::string text_of(const Result<std::vector<ServiceMapping>>& map) {
  if (!map) return "error: " + map.error().text();
  std::string text;
  for (const ServiceMapping& entry : *map)
    text += (text.empty() ? "" : "; ") + entry.service + ": " + text_of(entry.address);
  return text;
}

TEST(ParseHostTest, TakesBracketsAndAnInterfaceByNameOrNumber) {
  const auto parsed = [](std::string_view text) {
    auto host = parse_host(text);
    return host ? *host : "error: " + host.error().text();
  };
  const std::string lo = std::to_string(::if_nametoindex("lo"));
  EXPECT_EQ(parsed("example.com"), "example.com");
  EXPECT_EQ(parsed("10.0.0.1"), "10.0.0.1");
  EXPECT_EQ(parsed("::1"), "::1");
  EXPECT_EQ(parsed("[::1]"), "::1");
  EXPECT_EQ(parsed("fe80::1%lo"), "fe80::1%" + lo);
  EXPECT_EQ(parsed("[fe80::1%lo]"), "fe80::1%" + lo);
  EXPECT_EQ(parsed("[fe80::1%77]"), "fe80::1%77");
  EXPECT_EQ(parsed("fe80::1%no-such-if"), "error: this machine has no network interface 'no-such-if'");
  for (const std::string& text : {"["s, "[]"s, "[::1"s, "::1]"s, "[10.0.0.1]"s, "[host]"s, "host%lo"s,
                                  "10.0.0.1%lo"s, "fe80::1%"s, "fe80::1%0"s, "fe80::1%lo\0"s, "[::1]:80"s})
    EXPECT_TRUE(parsed(text).starts_with("error: ")) << text;
}

TEST(ParseLocalAddressTest, AnInterfaceGoesInsideTheBrackets) {
  const std::string lo = std::to_string(::if_nametoindex("lo"));
  for (const Mode mode : {Mode::kSource, Mode::kDestination}) {
    const auto address = parse_local_address("[fe80::1%lo]:22", mode);
    ASSERT_TRUE(address.ok()) << address.error().text();
    EXPECT_EQ(text_of(*address), "tcp fe80::1%" + lo + " 22");
  }
  EXPECT_FALSE(parse_endpoint("[fe80::1%lo]:443").ok());
}

TEST(ParsePortTest, TakesEveryPort) {
  for (uint32_t port = 1; port <= 65'535; ++port) {
    const auto parsed = parse_port(std::to_string(port), ZeroPort::kRefused);
    ASSERT_TRUE(parsed.ok());
    ASSERT_EQ(*parsed, port);
  }
}

TEST(ParsePortTest, TakesZeroOnlyWhereItIsAllowed) {
  EXPECT_EQ(*parse_port("0", ZeroPort::kAllowed), 0);
  EXPECT_FALSE(parse_port("0", ZeroPort::kRefused).ok());
}

TEST(ParsePortTest, RefusesWhatIsNotExactlyAPort) {
  for (const std::string& text : {""s,
                                  " "s,
                                  " 22"s,
                                  "22 "s,
                                  "\t22"s,
                                  "22\n"s,
                                  "+22"s,
                                  "-22"s,
                                  "22x"s,
                                  "x22"s,
                                  "0x16"s,
                                  "2 2"s,
                                  "22.0"s,
                                  "1e3"s,
                                  "022"s,
                                  "00"s,
                                  "65536"s,
                                  "70000"s,
                                  "99999"s,
                                  "100000"s,
                                  "4294967318"s,
                                  "18446744073709551638"s,
                                  "99999999999999999999999999"s,
                                  "22,"s,
                                  "\xd9\xa2"s,
                                  "22\0"s,
                                  "\0"s,
                                  "ssh"s,
                                  "²²"s}) {
    for (const ZeroPort zero : {ZeroPort::kAllowed, ZeroPort::kRefused}) {
      const auto parsed = parse_port(text, zero);
      ASSERT_FALSE(parsed.ok()) << text;
      EXPECT_NE(parsed.error().text().find("is not a port number"), std::string::npos);
    }
  }
}

TEST(CheckHostTest, TakesNamesAndAddresses) {
  for (const std::string& text :
       {"a"s, "localhost"s, "example.com"s, "example.com."s, "EXAMPLE.com"s, "db_1.internal"s, "a-b.c-d"s,
        "xn--bcher-kva.example"s, "3com"s, "3com.com"s, "1.2.3.4"s, "0.0.0.0"s, "255.255.255.255"s, "::"s,
        "::1"s, "fe80::1"s, "2001:db8::1"s, "::ffff:1.2.3.4"s,
        std::string(63, 'a') + "." + std::string(63, 'b')}) {
    EXPECT_TRUE(check_host(text).ok()) << text;
  }
}

TEST(CheckHostTest, CountsBytes) {
  const std::string label(63, 'a');
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'a');
  ASSERT_EQ(longest.size(), 253u);
  EXPECT_TRUE(check_host(longest).ok());
  EXPECT_FALSE(check_host(longest + "a").ok());
  EXPECT_TRUE(check_host(label).ok());
  EXPECT_FALSE(check_host(label + "a").ok());
  EXPECT_FALSE(check_host("a." + label + "a").ok());
}

TEST(ShownTest, HidesWhatMayBeAToken) {
  const std::string token = "AQGAAXj1a2b3c4d5e6f7A8B9";
  for (const std::string& text :
       {token, "SSH=" + token, token + ":443", "x." + token, "-t" + token + "==", "a/" + token + "/b"})
    EXPECT_EQ(shown(text).find(token.substr(0, 4)), std::string::npos) << text;
  EXPECT_EQ(shown(token), "what looks like a token (24 characters)");
  for (const std::string& text :
       {"data.tunneling.iot.us-east-1.amazonaws.com"s, "01234567-89ab-cdef-0123-456789abcdef"s,
        "/srv/Tunnels1/configuration/of/tunnels.ini"s, "./Tunnels1/configuration/of/all.ini"s,
        "Documents/Tunnel1/settings.json"s, token.substr(1)})
    EXPECT_EQ(shown(text), "'" + text + "'");
}

TEST(CheckHostTest, RefusesTheRest) {
  for (const std::string& text : {""s,
                                  " "s,
                                  "a b"s,
                                  " a"s,
                                  "a "s,
                                  "a\n"s,
                                  "-a"s,
                                  ".a"s,
                                  "a..b"s,
                                  "."s,
                                  "a/b"s,
                                  "a:b"s,
                                  "[::1]"s,
                                  "::1%lo"s,
                                  "fe80::1%eth0"s,
                                  "1.2.3"s,
                                  "1.2.3.4.5"s,
                                  "256.1.1.1"s,
                                  "22"s,
                                  "a.22"s,
                                  "1.2.3.4\0"s,
                                  "a\0b"s,
                                  "büro"s,
                                  "a@b"s,
                                  "a?b"s,
                                  "a#b"s,
                                  "a%b"s,
                                  "$(id)"s,
                                  "a;b"s,
                                  ":::"s,
                                  std::string(254, 'a')}) {
    EXPECT_FALSE(check_host(text).ok()) << text;
  }
}

TEST(CheckServiceIdTest, TakesWhatTheServiceTakes) {
  for (const std::string& text :
       {"SSH"s, "SSH1"s, "a"s, "-"s, "_"s, ":"s, "a:b"s, "::"s, "A-b_C:9"s, std::string(128, 'x')})
    EXPECT_TRUE(check_service_id(text).ok()) << text;
  for (const std::string& text :
       {""s, " SSH"s, "SSH "s, "S SH"s, "a.b"s, "a/b"s, "a=b"s, "a,b"s, "ä"s, "a\0"s, std::string(129, 'x')})
    EXPECT_FALSE(check_service_id(text).ok()) << text;
}

struct EndpointCase {
  const char* text;
  const char* host;
  uint16_t port;
};

TEST(ParseEndpointTest, TakesHostAndPort) {
  constexpr EndpointCase kCases[] = {
      {"data.tunneling.iot.us-east-1.amazonaws.com", "data.tunneling.iot.us-east-1.amazonaws.com", 443},
      {"data.tunneling.iot.us-east-1.amazonaws.com:443", "data.tunneling.iot.us-east-1.amazonaws.com", 443},
      {"localhost:8443", "localhost", 8443},
      {"10.1.2.3", "10.1.2.3", 443},
      {"10.1.2.3:1", "10.1.2.3", 1},
      {"[::1]", "::1", 443},
      {"[::1]:65535", "::1", 65535},
      {"[2001:db8::7]:8080", "2001:db8::7", 8080},
  };
  for (const EndpointCase& row : kCases) {
    const auto endpoint = parse_endpoint(row.text);
    ASSERT_TRUE(endpoint.ok()) << row.text << ": " << endpoint.error().text();
    EXPECT_EQ(endpoint->host, row.host);
    EXPECT_EQ(endpoint->port, row.port);
  }
}

struct TextError {
  const char* text;
  const char* part;  // of the error
};

TEST(ParseEndpointTest, SaysWhatIsWrong) {
  constexpr TextError kCases[] = {
      {"", "the host is empty"},
      {":443", "the host is empty"},
      {"wss://host", "without 'wss://'"},
      {"https://host:443/tunnel", "without 'https://'"},
      {"host/tunnel", "without a path"},
      {"host:443/", "without a path"},
      {"host:", "'' is not a port number from 1 to 65535"},
      {"host:0", "'0' is not a port number"},
      {"host:70000", "'70000' is not a port number"},
      {"host:+443", "'+443' is not a port number"},
      {"host:443 ", "'443 ' is not a port number"},
      {" host:443", "' host' is not a host name"},
      {"::1", "IPv6 addresses go in brackets"},
      {"::1:443", "IPv6 addresses go in brackets"},
      {"a:b:c", "more than one ':'"},
      {"[::1", "lacks the closing bracket"},
      {"[]", "is not an IPv6 address"},
      {"[localhost]:443", "is not an IPv6 address"},
      {"[1.2.3.4]:443", "is not an IPv6 address"},
      {"[::1]443", "other than ':PORT'"},
      {"[::1]:", "is not a port number"},
      {"[::1]:x", "is not a port number"},
      {"user@host", "is not a host name"},
      {"host\n", "'host\\x0a' is not a host name"},
  };
  for (const TextError& row : kCases) {
    const auto endpoint = parse_endpoint(row.text);
    ASSERT_FALSE(endpoint.ok()) << row.text;
    EXPECT_NE(endpoint.error().text().find(row.part), std::string::npos)
        << row.text << ": " << endpoint.error().text();
  }
}

struct MapCase {
  const char* text;
  const char* parsed;
};

TEST(ParseMapTest, TakesWhatASourceListensOn) {
  constexpr MapCase kCases[] = {
      {"5555", ": tcp  5555"},
      {"0", ": tcp  0"},
      {"-", ": stdio"},
      {"/run/x.sock", ": unix /run/x.sock"},
      {"./x.sock", ": unix ./x.sock"},
      {"/run/a=b", ": unix /run/a=b"},
      {"127.0.0.1:5555", ": tcp 127.0.0.1 5555"},
      {"[::1]:5555", ": tcp ::1 5555"},
      {"SSH1=5555", "SSH1: tcp  5555"},
      {"SSH=0", "SSH: tcp  0"},
      {"SSH=0,DB=0", "SSH: tcp  0; DB: tcp  0"},
      {"SSH1=5555,HTTP1=8080", "SSH1: tcp  5555; HTTP1: tcp  8080"},
      {"SSH1=5555, HTTP1=8080", "SSH1: tcp  5555; HTTP1: tcp  8080"},
      {"SSH1=/run/x.sock", "SSH1: unix /run/x.sock"},
      {"SSH1=-", "SSH1: stdio"},
      {"SSH=-,DB=1", "SSH: stdio; DB: tcp  1"},
      {"a:b=22", "a:b: tcp  22"},
      {"::=22", "::: tcp  22"},
      {"-=-", "-: stdio"},
      {" 22 ", ": tcp  22"},
      {" A = 1 ,\tB=2", "A: tcp  1; B: tcp  2"},
      {"A=1,", "A: tcp  1"},
      {",A=1,,B=2,", "A: tcp  1; B: tcp  2"},
      {"A=127.0.0.1:1,B=127.0.0.2:1", "A: tcp 127.0.0.1 1; B: tcp 127.0.0.2 1"},
  };
  for (const MapCase& row : kCases)
    EXPECT_EQ(text_of(parse_map(row.text, Mode::kSource)), row.parsed) << row.text;
}

TEST(ParseMapTest, TakesWhatADestinationConnectsTo) {
  constexpr MapCase kCases[] = {
      {"22", ": tcp  22"},
      {"localhost:22", ": tcp localhost 22"},
      {"host.example:22", ": tcp host.example 22"},
      {"10.0.0.1:22", ": tcp 10.0.0.1 22"},
      {"[::1]:22", ": tcp ::1 22"},
      {"/run/app.sock", ": unix /run/app.sock"},
      {"/run/a:b,c", "error: '/run/a:b' is not SERVICE=ADDRESS, which several entries must be"},
      {"SSH1=22,DB1=10.0.0.1:5432,APP=/run/app.sock",
       "SSH1: tcp  22; DB1: tcp 10.0.0.1 5432; APP: unix /run/app.sock"},
      {"A=22,B=22", "A: tcp  22; B: tcp  22"},
      {"A=/x/y,B=/x/y", "A: unix /x/y; B: unix /x/y"},
      {"a:b=[::1]:22", "a:b: tcp ::1 22"},
  };
  for (const MapCase& row : kCases)
    EXPECT_EQ(text_of(parse_map(row.text, Mode::kDestination)), row.parsed) << row.text;
}

TEST(ParseMapTest, SaysWhatIsWrong) {
  constexpr TextError kBoth[] = {
      {"", "an entry is empty"},
      {" ", "an entry is empty"},
      {",", "there is no entry"},
      {" , ", "there is no entry"},
      {"22,", "'22' is not SERVICE=ADDRESS"},
      {"A=", "service 'A' has no address"},
      {"=22", "a service id is empty"},
      {"=", "a service id is empty"},
      {"A=1,B=", "service 'B' has no address"},
      {"1,2", "'1' is not SERVICE=ADDRESS"},
      {"A=1,2", "'2' is not SERVICE=ADDRESS"},
      {"22,A=1", "'22' is not SERVICE=ADDRESS"},
      {"/a/b,A=1", "'/a/b' is not SERVICE=ADDRESS"},
      {"A=1,A=2", "service 'A' is there twice"},
      {"A=1,B=2,A=1", "service 'A' is there twice"},
      {"A=70000", "'70000' is not a port number"},
      {"A=22x", "'22x' is not a port number"},
      {"A=+22", "'+22' is not a port number"},
      {"2 2", "'2 2' is not a port number"},
      {"A= ", "service 'A' has no address"},
      {"A=1=2", "'1=2' is not a port number"},
      {"A B=1", "is not a service id"},
      {" =1", "a service id is empty"},
      {"A.b=1", "is not a service id"},
      {"A=host:", "'' is not a port number"},
      {"A=host:x", "'x' is not a port number"},
      {"A=host", "'host' lacks a port"},
      {"host", "'host' lacks a port"},
      {"A=[::1]", "'[::1]' lacks a port"},
      {"A=::1:22", "IPv6 addresses go in brackets"},
      {"A=[::1:22", "lacks the closing bracket"},
      {"A=:22", "the host is empty"},
      {"A=tcp://host:22", "is a URL"},
      {"A=/run/", "is a directory"},
      {"/", "is a directory"},
      {"A=1\n", "'1\\x0a' is not a port number"},
  };
  for (const Mode mode : {Mode::kSource, Mode::kDestination}) {
    for (const TextError& row : kBoth) {
      const std::string text = text_of(parse_map(row.text, mode));
      EXPECT_EQ(text.substr(0, 7), "error: ") << row.text;
      EXPECT_NE(text.find(row.part), std::string::npos) << row.text << ": " << text;
    }
  }
}

TEST(ParseMapTest, KnowsWhatOnlyOneModeCanDo) {
  for (const char* text : {"A=1,B=1", "A=h:1,B=h:1", "A=/x/y,B=/x/y", "A=-,B=-", "A=./x,B=./x"})
    EXPECT_NE(text_of(parse_map(text, Mode::kSource)).find("is used for both 'A' and 'B'"), std::string::npos)
        << text;
  for (const char* text : {"0", "A=0", "A=host:0", "A=1,B=0"})
    EXPECT_NE(text_of(parse_map(text, Mode::kDestination)).find("'0' is not a port number from 1"),
              std::string::npos)
        << text;
  for (const char* text : {"-", "A=-"})
    EXPECT_NE(text_of(parse_map(text, Mode::kDestination)).find("for a source only"), std::string::npos)
        << text;
}

TEST(ParseMapTest, BoundsEverything) {
  const std::string path(107, 'p');
  EXPECT_TRUE(parse_map("A=/" + path.substr(1), Mode::kSource).ok());
  EXPECT_FALSE(parse_map("A=/" + path, Mode::kSource).ok());
  EXPECT_FALSE(parse_map("A=/x\0y"s, Mode::kSource).ok());
  EXPECT_TRUE(parse_map(std::string(128, 'A') + "=1", Mode::kSource).ok());
  EXPECT_FALSE(parse_map(std::string(129, 'A') + "=1", Mode::kSource).ok());

  std::string map;
  for (int i = 1; i <= 64; ++i)
    map += (i == 1 ? "S" : ",S") + std::to_string(i) + "=" + std::to_string(i);
  EXPECT_EQ(parse_map(map, Mode::kSource)->size(), 64u);
  EXPECT_FALSE(parse_map(map + ",S65=65", Mode::kSource).ok());
}

TEST(ShownTest, EscapesAndCuts) {
  EXPECT_EQ(shown("a\x1b[31m"), "'a\\x1b[31m'");
  EXPECT_LT(shown(std::string(100'000, 'x')).size(), 100u);
}

}  // namespace
}  // namespace localproxy::config
