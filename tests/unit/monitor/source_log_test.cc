#include "monitor/source_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/limits.h"
#include "tests/unit/ipc/run_loop.h"

namespace localproxy::monitor {
namespace {

using localproxy::test::run_until;
using testing::ElementsAre;

// Standard error is a socket that this reads; the lines are without their time.
class SourceLogTest : public testing::Test {
 protected:
  void SetUp() override {
    auto pair = make_socketpair(SOCK_STREAM);
    ASSERT_TRUE(pair.ok());
    ours_ = std::move(pair->first);
    ::dup2(pair->second.get(), STDERR_FILENO);
    out_ = std::make_unique<StderrLog>(LogLevel::kDebug);
    log_ = std::make_unique<SourceLog>(loop_, *out_, "net");
  }
  void TearDown() override {
    log_.reset();
    out_.reset();
    ::dup2(before_.get(), STDERR_FILENO);
  }
  std::vector<std::string> lines() {
    char buffer[4'096];
    for (ssize_t size = 0; (size = ::recv(ours_.get(), buffer, sizeof buffer, MSG_DONTWAIT)) > 0;)
      unread_.append(buffer, static_cast<size_t>(size));
    std::vector<std::string> lines;
    for (size_t end = 0; (end = unread_.find('\n')) != std::string::npos; unread_.erase(0, end + 1))
      lines.push_back(unread_.substr(0, end).substr(unread_.find(' ') + 1));
    all_.insert(all_.end(), lines.begin(), lines.end());
    return lines;
  }
  // Lines with different texts.
  void flood(int count, LogLevel level, const std::string& more = "") {
    for (int i = 0; i < count; ++i) {
      log_->write(level, std::to_string(next_++) + more);
      if (i % 100 == 0) lines();
    }
    lines();
  }
  ptrdiff_t count(const std::string& level) const {
    return std::ranges::count_if(all_, [&](const std::string& line) {
      return line.starts_with("[" + level + "]") && line.find("too many") == std::string::npos;
    });
  }

  const UniqueFd before_{::dup(STDERR_FILENO)};
  event::Loop loop_;
  UniqueFd ours_;
  std::unique_ptr<StderrLog> out_;
  std::unique_ptr<SourceLog> log_;
  std::string unread_;
  std::vector<std::string> all_;
  int next_ = 0;
};

TEST_F(SourceLogTest, RepeatsAreCounted) {
  for (int i = 0; i < 5'214; ++i)
    log_->info("refused");
  EXPECT_THAT(lines(), ElementsAre("[info] net: refused"));
  log_->info("another");
  EXPECT_THAT(lines(), ElementsAre("[info] net: refused (... 5,213 more)", "[info] net: another"));
}

TEST_F(SourceLogTest, TheSameTextOfAnotherLevelIsNoRepeat) {
  log_->info("a");
  log_->warning("a");
  EXPECT_THAT(lines(), ElementsAre("[info] net: a", "[warning] net: a"));
}

TEST_F(SourceLogTest, RepeatsAreSaidWithoutAnotherLine) {
  log_->info("a");
  log_->info("a");
  lines();
  std::vector<std::string> said;
  EXPECT_TRUE(run_until(loop_, [&] {
    if (said.empty()) said = lines();
    return !said.empty();
  }));
  EXPECT_THAT(said, ElementsAre("[info] net: a (... 1 more)"));
}

TEST_F(SourceLogTest, TheEndSaysWhatWasHeldBack) {
  log_->info("a");
  log_->info("a");
  log_.reset();
  EXPECT_THAT(lines(), ElementsAre("[info] net: a", "[info] net: a (... 1 more)"));
}

TEST_F(SourceLogTest, AFloodLeavesRoomForWarnings) {
  flood(10'000, LogLevel::kInfo);
  const ptrdiff_t info = count("info");
  EXPECT_GE(info, 3 * limits::kLogLinesAtOnce / 4);
  EXPECT_LT(info, limits::kLogLinesAtOnce);
  log_->error("bad");
  lines();
  EXPECT_EQ(count("error"), 1);
  log_.reset();
  lines();
  EXPECT_THAT(all_.back(),
              testing::MatchesRegex(R"(\[warning\] net: too many lines at once: 8,[0-9]* were dropped)"));
}

TEST_F(SourceLogTest, BytesAreLimitedToo) {
  flood(2'000, LogLevel::kWarning, std::string(1'000, 'x'));
  EXPECT_GE(count("warning"), limits::kLogBytesAtOnce / 1'100);
  EXPECT_LT(count("warning"), limits::kLogBytesAtOnce / 1'000 + 100);
}

TEST_F(SourceLogTest, LinesThatNobodyWantsCostNothing) {
  for (int i = 0; i < 10'000; ++i)
    log_->trace(std::to_string(i));
  log_->info("a");
  EXPECT_THAT(lines(), ElementsAre("[info] net: a"));
}

TEST_F(SourceLogTest, TheSourcesHaveLimitsOfTheirOwn) {
  SourceLogs logs(loop_, *out_);
  for (int i = 0; i < 10'000; ++i) {
    logs.of(ipc::Role::kBridge).error(std::to_string(i));
    if (i % 100 == 0) lines();
  }
  lines();
  logs.of(ipc::Role::kNet).error("heard");
  logs.of(ipc::Role::kMonitor).error("of others");
  EXPECT_THAT(lines(), ElementsAre("[error] net: heard", "[error] of others"));
}

}  // namespace
}  // namespace localproxy::monitor
