#include "base/number.h"

#include <gtest/gtest.h>
#include <stdint.h>

namespace localproxy {
namespace {

TEST(NumberTest, IsTheWholeText) {
  EXPECT_EQ(parse_number<uint8_t>("255"), 255);
  EXPECT_EQ(parse_number<size_t>("007"), 7U);
  EXPECT_EQ(parse_number<int64_t>("-9223372036854775808"), INT64_MIN);
  EXPECT_EQ(parse_number<unsigned>("fF", 16), 255U);
}

TEST(NumberTest, IsNothingElse) {
  for (const char* text :
       {"", " 1", "1 ", "+1", "0x1", "1.0", "1e3", "3, 3", "-", "-1", "256", "99999999999999999999"})
    EXPECT_FALSE(parse_number<uint8_t>(text).has_value()) << text;
  EXPECT_FALSE(parse_number<unsigned>("fg", 16).has_value());
}

}  // namespace
}  // namespace localproxy
