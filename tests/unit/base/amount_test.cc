#include "base/amount.h"

#include <gtest/gtest.h>

namespace localproxy {
namespace {

using std::chrono::milliseconds;

TEST(SizeTextTest, HasAUnitThatFits) {
  EXPECT_EQ(size_text(0), "0 B");
  EXPECT_EQ(size_text(999), "999 B");
  EXPECT_EQ(size_text(1'000), "1 kB");
  EXPECT_EQ(size_text(18'999), "18 kB");
  EXPECT_EQ(size_text(999'999), "999 kB");
  EXPECT_EQ(size_text(1'000'000), "1 MB");
  EXPECT_EQ(size_text(1'213'400), "1.2 MB");
  EXPECT_EQ(size_text(9'999'999), "9.9 MB");
  EXPECT_EQ(size_text(88'012'233), "88 MB");
  EXPECT_EQ(size_text(999'999'999), "999 MB");
  EXPECT_EQ(size_text(1'500'000'000), "1.5 GB");
  EXPECT_EQ(size_text(UINT64_MAX), "18 EB");
}

TEST(DurationTextTest, HasTwoUnitsAtMost) {
  EXPECT_EQ(duration_text(milliseconds(0)), "0 s");
  EXPECT_EQ(duration_text(milliseconds(99)), "0 s");
  EXPECT_EQ(duration_text(milliseconds(2'499)), "2.4 s");
  EXPECT_EQ(duration_text(milliseconds(3'000)), "3 s");
  EXPECT_EQ(duration_text(milliseconds(26'900)), "26 s");
  EXPECT_EQ(duration_text(milliseconds(59'999)), "59 s");
  EXPECT_EQ(duration_text(milliseconds(60'000)), "1 min");
  EXPECT_EQ(duration_text(milliseconds(151'000)), "2 min 31 s");
  EXPECT_EQ(duration_text(milliseconds(3'600'000)), "1 h");
  EXPECT_EQ(duration_text(milliseconds(8'040'000)), "2 h 14 min");
}

}  // namespace
}  // namespace localproxy
