#include "base/result.h"

#include <errno.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

namespace localproxy {
namespace {

TEST(ResultTest, HoldsAValue) {
  Result<std::string> result = std::string("value");
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result);
  EXPECT_EQ(*result, "value");
  EXPECT_EQ(result->size(), 5U);
  *result += "s";
  EXPECT_EQ(result.value(), "values");
}

TEST(ResultTest, HoldsAnError) {
  const Result<int> result = Error("no number");
  EXPECT_FALSE(result.ok());
  EXPECT_FALSE(result);
  EXPECT_EQ(result.error().text(), "no number");
}

TEST(ResultTest, AValueThatIsAnErrorsTextIsStillAValue) {
  const Result<std::string> result = std::string("no number");
  EXPECT_TRUE(result.ok());
}

TEST(ResultTest, GivesAwayMoveOnlyValues) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(7);
  ASSERT_TRUE(result.ok());
  const std::unique_ptr<int> taken = *std::move(result);
  EXPECT_EQ(*taken, 7);
  EXPECT_EQ(*result, nullptr);  // NOLINT: that it is empty is the point
}

TEST(ResultTest, WithoutAValueIsOkByDefault) {
  const Result<> fine;
  EXPECT_TRUE(fine.ok());
  EXPECT_TRUE(fine);
  const Result<> broken = Error("broken");
  EXPECT_FALSE(broken.ok());
  EXPECT_FALSE(broken);
  EXPECT_EQ(broken.error().text(), "broken");
}

TEST(ErrorTest, HasACodeForDecisions) {
  const Error plain("no number");
  EXPECT_EQ(plain.code(), ErrorCode::kOther);
  EXPECT_EQ(plain.number(), 0);
  EXPECT_EQ(Error("no address", ErrorCode::kUnresolved).code(), ErrorCode::kUnresolved);
  const Result<> failed = system_error("open /x", ENOENT);
  EXPECT_EQ(failed.error().code(), ErrorCode::kSystem);
  EXPECT_EQ(failed.error().number(), ENOENT);
}

TEST(ErrorTest, RewordingKeepsCodeAndNumber) {
  const Error error = system_error("open /x", EMFILE).about("--config");
  EXPECT_TRUE(error.text().starts_with("--config: open /x: Too many open files (")) << error.text();
  EXPECT_EQ(error.code(), ErrorCode::kSystem);
  EXPECT_EQ(error.number(), EMFILE);
  const Error reworded = error.reworded("short of descriptors");
  EXPECT_EQ(reworded.text(), "short of descriptors");
  EXPECT_EQ(reworded.code(), ErrorCode::kSystem);
  EXPECT_EQ(reworded.number(), EMFILE);
}

TEST(ErrorTextTest, SaysWhatAnErrnoMeans) {
  EXPECT_EQ(error_text(ENOENT), "No such file or directory");
  EXPECT_EQ(error_text(ENOMEM), "Cannot allocate memory");
}

TEST(ErrorTextTest, NumbersWhatLibcDoesNotKnow) {
  EXPECT_EQ(error_text(123456), "Unknown error 123456");
  EXPECT_EQ(error_text(-1), "Unknown error -1");
}

TEST(SystemErrorTest, NamesTheCallAndTheReason) {
  EXPECT_EQ(system_error("open /x", ENOENT).text(), "open /x: No such file or directory");
  EXPECT_EQ(system_error("open /x", 123456).text(), "open /x: Unknown error 123456");
}

}  // namespace
}  // namespace localproxy
