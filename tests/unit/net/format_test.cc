#include "net/format.h"

#include <gtest/gtest.h>

#include "tests/unit/net/recorder.h"

namespace localproxy::net {
namespace {

using test::make;
using test::MessageType;

TEST(FormatTest, EachVersionAddsAField) {
  EXPECT_EQ(format_of_version(1), (Format{false, false}));
  EXPECT_EQ(format_of_version(2), (Format{true, false}));
  EXPECT_EQ(format_of_version(3), (Format{true, true}));
  EXPECT_EQ(Format{}, format_of_version(3));
}

TEST(FormatTest, AStartShowsTheFormatOfItsSender) {
  EXPECT_EQ(format_of(make(MessageType::kStreamStart, 1)), format_of_version(1));
  EXPECT_EQ(format_of(make(MessageType::kStreamStart, 1, "A")), format_of_version(2));
  EXPECT_EQ(format_of(make(MessageType::kStreamStart, 1, "A", 1)), format_of_version(3));
  EXPECT_EQ(format_of(make(MessageType::kStreamStart, 1, "", 1)), (Format{false, true}));
}

TEST(FormatTest, TheCommonFormatHasTheFieldsOfBoth) {
  EXPECT_EQ(common(format_of_version(2), format_of_version(3)), format_of_version(2));
  EXPECT_EQ(common({false, true}, {true, false}), format_of_version(1));
}

TEST(FormatTest, TheSubprotocolHasTheVersionInItsName) {
  EXPECT_EQ(subprotocol_version("aws.iot.securetunneling-1.0"), 1);
  EXPECT_EQ(subprotocol_version("aws.iot.securetunneling-2.0"), 2);
  EXPECT_EQ(subprotocol_version("aws.iot.securetunneling-3.0"), 3);
}

TEST(FormatDeathTest, OtherVersionsEndTheProcess) {
  EXPECT_EXIT(format_of_version(0), testing::ExitedWithCode(71), "1 to 3");
  EXPECT_EXIT(format_of_version(4), testing::ExitedWithCode(71), "1 to 3");
  EXPECT_EXIT(subprotocol_version("aws.iot.securetunneling-4.0"), testing::ExitedWithCode(71), "subprotocol");
}

}  // namespace
}  // namespace localproxy::net
