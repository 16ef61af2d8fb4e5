#include "base/address.h"

#include <gtest/gtest.h>

#include <string>

namespace localproxy {
namespace {

// Parses an address; empty when it is not one.
std::string parsed(std::string_view text) {
  const auto address = parse_address(text, 80);
  return address ? to_string(*address) : "";
}

TEST(AddressTest, BothFamiliesAreParsedAndShown) {
  EXPECT_EQ(parsed("127.0.0.1"), "127.0.0.1:80");
  EXPECT_EQ(parsed("::1"), "[::1]:80");
  EXPECT_EQ(parsed("::"), "[::]:80");
  for (const char* text : {"", "localhost", "1.2.3", "1.2.3.4.5", "[::1]", "::1 ", "::g"})
    EXPECT_EQ(parsed(text), "") << text;
}

TEST(AddressTest, BytesAreInNetworkOrder) {
  using namespace std::string_view_literals;
  EXPECT_EQ(address_bytes("1.2.3.4"), "\1\2\3\4");
  EXPECT_EQ(address_bytes("::1"), "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"sv);
  EXPECT_EQ(to_string(*address_from_bytes(address_bytes("10.0.0.1"), 22)), "10.0.0.1:22");
  EXPECT_TRUE(is_address("1.2.3.4"));
  EXPECT_TRUE(is_address("fe80::1"));
  for (const std::string_view text :
       {""sv, "localhost"sv, "1.2.3"sv, "01.2.3.4"sv, "[::1]"sv, "::1:"sv, "fe80::1%2"sv, "1.2.3.4\0"sv})
    EXPECT_FALSE(is_address(text)) << text;
}

TEST(AddressTest, AnInterfaceIsStoredAsItsNumber) {
  EXPECT_EQ(parsed("fe80::1%2"), "[fe80::1%2]:80");
  EXPECT_EQ(host_of(*parse_address("fe80::1%4294967295", 0)), "fe80::1%4294967295");
  for (const char* text : {"fe80::1%", "fe80::1%0", "fe80::1%lo", "fe80::1%-1", "fe80::1%4294967296",
                           "fe80::1%1%1", "127.0.0.1%1"})
    EXPECT_EQ(parsed(text), "") << text;
}

TEST(AddressTest, AnIPv4ClientOfADualStackSocketIsShownAsIPv4) {
  EXPECT_EQ(parsed("::ffff:10.1.2.3"), "10.1.2.3:80");
  EXPECT_EQ(parsed("::fffe:10.1.2.3"), "[::fffe:a01:203]:80");
}

TEST(AddressTest, TheAnyAddressIsAllZeros) {
  EXPECT_TRUE(is_any(*parse_address("0.0.0.0", 1)));
  EXPECT_TRUE(is_any(*parse_address("::", 1)));
  EXPECT_FALSE(is_any(*parse_address("0.0.0.1", 1)));
  EXPECT_FALSE(is_any(*parse_address("::1", 1)));
  EXPECT_FALSE(is_any(unix_address("/")));
}

}  // namespace
}  // namespace localproxy
