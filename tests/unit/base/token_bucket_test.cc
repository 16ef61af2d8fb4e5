#include "base/token_bucket.h"

#include <gtest/gtest.h>

namespace localproxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// How many of `tries` pass at one moment.
int taken(TokenBucket& bucket, TokenBucket::Clock::time_point now, int tries) {
  int count = 0;
  for (int i = 0; i < tries; ++i)
    count += bucket.take(now) ? 1 : 0;
  return count;
}

TEST(TokenBucketTest, LetsABurstThroughAndNoMore) {
  TokenBucket bucket(10, 5);
  EXPECT_EQ(taken(bucket, {}, 100), 5);
}

TEST(TokenBucketTest, FillsWithTime) {
  TokenBucket bucket(10, 5);
  TokenBucket::Clock::time_point now;
  taken(bucket, now, 100);
  EXPECT_EQ(taken(bucket, now += milliseconds(99), 100), 0);
  EXPECT_EQ(taken(bucket, now += milliseconds(2), 100), 1);
  EXPECT_EQ(taken(bucket, now += milliseconds(200), 100), 2);
}

TEST(TokenBucketTest, IsNeverFullerThanItsBurst) {
  TokenBucket bucket(10, 5);
  TokenBucket::Clock::time_point now;
  taken(bucket, now, 100);
  EXPECT_EQ(taken(bucket, now += seconds(3'600), 100), 5);
}

TEST(TokenBucketTest, TakesSeveralAndKeepsSome) {
  TokenBucket bucket(10, 5);
  const TokenBucket::Clock::time_point now;
  EXPECT_FALSE(bucket.take(now, 4, 2));
  EXPECT_TRUE(bucket.take(now, 3, 2));
  EXPECT_FALSE(bucket.take(now, 1, 2));
  EXPECT_TRUE(bucket.take(now, 2));
  EXPECT_FALSE(bucket.take(now));
}

TEST(TokenBucketTest, LetsItsRateThroughInTheLongRun) {
  TokenBucket bucket(10, 5);
  TokenBucket::Clock::time_point now;
  int count = 0;
  for (int i = 0; i < 10'000; ++i)
    count += taken(bucket, now += milliseconds(1), 3);
  EXPECT_NEAR(count, 5 + 100, 1);
}

}  // namespace
}  // namespace localproxy
