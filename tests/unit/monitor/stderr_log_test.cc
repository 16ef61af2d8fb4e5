#include "monitor/stderr_log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <regex>
#include <sstream>

#include "base/fd.h"
#include "base/limits.h"

namespace localproxy::monitor {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;

// The text that `run` writes to standard error.
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

// The line that a log at `level` writes for a text of `text_level`.
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

TEST_F(StderrLogTest, APlainLineHasNothingButThePriorityOfTheJournal) {
  EXPECT_EQ(standard_error([](int) { StderrLog(LogLevel::kOff).write_plain(LogLevel::kError, "bad"); }),
            "bad\n");
  EXPECT_EQ(standard_error([](int pipe) {
              struct stat status {};
              ASSERT_EQ(::fstat(pipe, &status), 0);
              ::setenv("JOURNAL_STREAM",
                       (std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino)).c_str(), 1);
              StderrLog(LogLevel::kOff).write_plain(LogLevel::kError, "bad");
            }),
            "<3>bad\n");
}

// ---- a reader that does not read ----

// Standard error of this process, which is not read until read() is called.
class Unread {
 public:
  explicit Unread(FdPair ends) : ends_(std::move(ends)), before_(::dup(STDERR_FILENO)) {
    ::signal(SIGPIPE, SIG_IGN);
    // Standard error is blocking, because other processes may share it.
    ::fcntl(ends_.second.get(), F_SETFL, ::fcntl(ends_.second.get(), F_GETFL) & ~O_NONBLOCK);
    ::dup2(ends_.second.get(), STDERR_FILENO);
  }
  ~Unread() { ::dup2(before_.get(), STDERR_FILENO); }
  Unread(const Unread&) = delete;
  Unread& operator=(const Unread&) = delete;

  bool blocks() const { return (::fcntl(ends_.second.get(), F_GETFL) & O_NONBLOCK) == 0; }
  void close_reader() { ends_.first.reset(); }
  // Everything that has arrived.
  std::string read() {
    std::string all;
    char buffer[4'096];
    for (ssize_t size = 0; (size = ::read(ends_.first.get(), buffer, sizeof buffer)) > 0;)
      all.append(buffer, static_cast<size_t>(size));
    return all;
  }

 private:
  FdPair ends_;
  UniqueFd before_;
};

FdPair unread_pair(const std::string& kind) {
  auto ends = kind == "pipe" ? make_pipe() : make_socketpair(kind == "stream" ? SOCK_STREAM : SOCK_SEQPACKET);
  EXPECT_TRUE(ends.ok());
  return std::move(*ends);
}

class UnreadTest : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Kinds, UnreadTest, testing::Values("pipe", "stream", "packets"),
                         [](const auto& each) { return std::string(each.param); });

TEST_P(UnreadTest, LinesAreQueuedDroppedAndCounted) {
  constexpr int kLines = 2'000;  // twice what is kept
  Unread unread(unread_pair(GetParam()));
  std::string all;
  int written = 0;  // lines "next"
  {
    StderrLog log(LogLevel::kInfo);
    for (int i = 0; i < kLines; ++i)
      log.info("line " + std::to_string(i) + ' ' + std::string(limits::kMaxLogLine - 20, 'x'));
    EXPECT_TRUE(unread.blocks());
    // The queued lines are written with the next ones, as far as the reader takes them.
    for (; written < 10'000 && all.find("dropped") == std::string::npos; ++written) {
      all += unread.read();
      log.info("next");
    }
    all += unread.read();
    log.info("last");
  }
  all += unread.read();
  std::smatch dropped;
  ASSERT_TRUE(std::regex_search(
      all, dropped,
      std::regex(R"(\[warning\] (\d+) log lines were dropped: standard error was not read\n)")));
  const auto count = [&all](const std::string& text) {
    int found = 0;
    for (size_t at = 0; (at = all.find(text, at)) != std::string::npos; ++at)
      ++found;
    return found;
  };
  const int lines = count("] line "), next = count("] next\n");
  EXPECT_GT(lines, kLines / 4);
  EXPECT_LT(lines, kLines);
  // The first "next" lines were dropped too.
  EXPECT_EQ(lines + next + std::stoi(dropped[1]), kLines + written);
  EXPECT_EQ(count("log lines were dropped"), 1);
  EXPECT_LT(dropped.position(), static_cast<std::ptrdiff_t>(all.find("] last\n")));
  // Each line is whole.
  std::istringstream stream(all);
  for (std::string each; std::getline(stream, each);)
    EXPECT_TRUE(each.starts_with("[2") && each.size() < limits::kMaxLogLine + 100) << each;
}

TEST_P(UnreadTest, QueuedLinesLeaveWithoutAnotherLine) {
  constexpr int kLines = 800;
  Unread unread(unread_pair(GetParam()));
  StderrLog log(LogLevel::kInfo);
  event::Loop loop;
  const StderrLog::Flush flush(loop, log);
  for (int i = 0; i < kLines; ++i)
    log.info(std::string(limits::kMaxLogLine - 20, 'x'));
  std::string all;
  const auto lines = [&all] { return std::count(all.begin(), all.end(), '\n'); };
  std::unique_ptr<event::Timer> look;
  look = std::make_unique<event::Timer>(loop, [&] {
    all += unread.read();
    if (lines() == kLines) return loop.stop();
    look->start(std::chrono::milliseconds(1));
  });
  look->start(std::chrono::milliseconds(1));
  event::Timer limit(loop, [&loop] { loop.stop(); });
  limit.start(std::chrono::seconds(20));
  loop.run();
  EXPECT_EQ(lines(), kLines);
}

TEST_P(UnreadTest, AReaderThatGoesAwayEndsNothing) {
  Unread unread(unread_pair(GetParam()));
  StderrLog log(LogLevel::kInfo);
  log.info("before");
  unread.close_reader();
  for (int i = 0; i < 1'000; ++i)
    log.info("after");
}

TEST_F(StderrLogTest, AJournalThatIsSomewhereElseIsNotOurs) {
  ::setenv("JOURNAL_STREAM", "1:1", 1);
  EXPECT_THAT(line(LogLevel::kInfo, LogLevel::kInfo, "hello"),
              MatchesRegex(std::string(kTime) + "\\[info\\] hello\n"));
}

}  // namespace
}  // namespace localproxy::monitor
