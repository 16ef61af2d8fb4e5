#include "base/utc.h"

#include <gtest/gtest.h>
#include <time.h>

namespace localproxy {
namespace {

std::string text(int64_t time) {
  const Utc utc = utc_of(time);
  return date_text(utc) + " " + clock_text(utc);
}

TEST(UtcTest, KnownTimes) {
  EXPECT_EQ(text(0), "1970-01-01 00:00:00");
  EXPECT_EQ(text(951'782'400), "2000-02-29 00:00:00");
  EXPECT_EQ(text(1'709'164'800), "2024-02-29 00:00:00");
  EXPECT_EQ(text(1'709'251'199), "2024-02-29 23:59:59");
  EXPECT_EQ(text(1'709'251'200), "2024-03-01 00:00:00");
  EXPECT_EQ(text(1'735'689'599), "2024-12-31 23:59:59");
  EXPECT_EQ(text(2'147'483'647), "2038-01-19 03:14:07");
  EXPECT_EQ(text(2'147'483'648), "2038-01-19 03:14:08");
  // 2100 is not a leap year.
  EXPECT_EQ(text(4'107'542'399), "2100-02-28 23:59:59");
  EXPECT_EQ(text(4'107'542'400), "2100-03-01 00:00:00");
  // A clock that was never set.
  EXPECT_EQ(text(-1), "1969-12-31 23:59:59");
}

TEST(UtcTest, AgreesWithLibcOnEveryDayFrom1970To2100) {
  for (int64_t day = 0; day < 131 * 366; ++day) {
    // A different time on each day.
    const time_t time = static_cast<time_t>(day * 86'400 + day * 7'919 % 86'400);
    tm expected{};
    ASSERT_NE(::gmtime_r(&time, &expected), nullptr);
    const Utc got = utc_of(time);
    ASSERT_EQ(got.year, expected.tm_year + 1900) << time;
    ASSERT_EQ(got.month, static_cast<unsigned>(expected.tm_mon + 1)) << time;
    ASSERT_EQ(got.day, static_cast<unsigned>(expected.tm_mday)) << time;
    ASSERT_EQ(got.hour, static_cast<unsigned>(expected.tm_hour)) << time;
    ASSERT_EQ(got.minute, static_cast<unsigned>(expected.tm_min)) << time;
    ASSERT_EQ(got.second, static_cast<unsigned>(expected.tm_sec)) << time;
  }
}

TEST(UtcTest, NumbersArePaddedWithZeros) {
  EXPECT_EQ(padded(7, 6), "000007");
  EXPECT_EQ(padded(0, 2), "00");
  EXPECT_EQ(padded(12345, 2), "12345");
}

}  // namespace
}  // namespace localproxy
