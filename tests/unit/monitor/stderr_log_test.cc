#include "monitor/stderr_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>

#include "base/fd.h"
#include "base/limits.h"

namespace localproxy::monitor {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

// What `run` writes to standard error.
std::string standard_error(const std::function<void(int pipe)>& run) {
  auto pipe = make_pipe();
  EXPECT_TRUE(pipe.ok());
  const UniqueFd before(::dup(STDERR_FILENO));
  ::dup2(pipe->second.get(), STDERR_FILENO);
  run(pipe->second.get());
  ::dup2(before.get(), STDERR_FILENO);
  pipe->second.reset();
  std::string all;
  char buffer[4'096];
  for (ssize_t size = 0; (size = ::read(pipe->first.get(), buffer, sizeof buffer)) > 0;)
    all.append(buffer, static_cast<size_t>(size));
  return all;
}

// The line that a log of `level` writes for a text of `text_level`.
std::string line(LogLevel level, LogLevel text_level, std::string_view text) {
  return standard_error([&](int) { StderrLog(level).write(text_level, text); });
}

class StderrLogTest : public testing::Test {
 protected:
  void SetUp() override { ::unsetenv("JOURNAL_STREAM"); }
  void TearDown() override { ::unsetenv("JOURNAL_STREAM"); }
};

constexpr char kTime[] = R"(\[[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z\] )";

TEST_F(StderrLogTest, ALineHasTimeAndLevelInFront) {
  EXPECT_THAT(line(LogLevel::kInfo, LogLevel::kInfo, "hello"),
              MatchesRegex(std::string(kTime) + "\\[info\\] hello\n"));
  EXPECT_THAT(line(LogLevel::kInfo, LogLevel::kError, "hello"),
              MatchesRegex(std::string(kTime) + "\\[error\\] hello\n"));
}

TEST_F(StderrLogTest, LinesBelowTheLevelAreNotWritten) {
  EXPECT_EQ(line(LogLevel::kInfo, LogLevel::kDebug, "hello"), "");
  EXPECT_EQ(line(LogLevel::kOff, LogLevel::kFatal, "hello"), "");
  EXPECT_NE(line(LogLevel::kDebug, LogLevel::kDebug, "hello"), "");
}

TEST_F(StderrLogTest, AChildsLineHasItsRoleInFront) {
  const std::string text =
      standard_error([](int) { StderrLog(LogLevel::kInfo).write_for("net", LogLevel::kWarning, "hello"); });
  EXPECT_THAT(text, MatchesRegex(std::string(kTime) + "\\[warning\\] net: hello\n"));
}

TEST_F(StderrLogTest, HostileTextStaysInItsLineAndSendsNothingToATerminal) {
  const std::string text = line(LogLevel::kInfo, LogLevel::kInfo,
                                "a\nb\r\x1b[31m\x07\x7f\xff\xc2\x9b"
                                "\xe2\x80\xae"
                                "\xc3\xa4");
  EXPECT_THAT(text, HasSubstr("] a\\x0ab\\x0d\\x1b[31m\\x07\\x7f\\xff\\xc2\\x9b\\xe2\\x80\\xae\xc3\xa4\n"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
}

TEST_F(StderrLogTest, AZeroByteIsEscaped) {
  EXPECT_THAT(line(LogLevel::kInfo, LogLevel::kInfo, std::string_view("a\0b", 3)), HasSubstr("] a\\x00b\n"));
}

TEST_F(StderrLogTest, ALongLineIsCut) {
  const std::string text = line(LogLevel::kInfo, LogLevel::kInfo, std::string(10'000, 'x'));
  EXPECT_LT(text.size(), limits::kMaxLogLine + 100);
  EXPECT_THAT(text, testing::EndsWith("x...\n"));
}

TEST_F(StderrLogTest, TheJournalGetsPrioritiesInsteadOfTimes) {
  const std::string text = standard_error([](int pipe) {
    struct stat status {};
    ASSERT_EQ(::fstat(pipe, &status), 0);
    ::setenv("JOURNAL_STREAM", (std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino)).c_str(),
             1);
    StderrLog log(LogLevel::kTrace);
    for (const LogLevel level : {LogLevel::kFatal, LogLevel::kError, LogLevel::kWarning, LogLevel::kInfo,
                                 LogLevel::kDebug, LogLevel::kTrace}) {
      log.write(level, to_string(level));
    }
  });
  EXPECT_EQ(text, "<2>fatal\n<3>error\n<4>warning\n<6>info\n<7>debug\n<7>trace\n");
}

TEST_F(StderrLogTest, AJournalThatIsSomewhereElseIsNotOurs) {
  ::setenv("JOURNAL_STREAM", "1:1", 1);
  EXPECT_THAT(line(LogLevel::kInfo, LogLevel::kInfo, "hello"),
              MatchesRegex(std::string(kTime) + "\\[info\\] hello\n"));
}

}  // namespace
}  // namespace localproxy::monitor
