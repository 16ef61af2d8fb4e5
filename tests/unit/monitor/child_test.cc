// The parent's view of a helper, without a real helper.
#include "monitor/child.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string_view>

#include "monitor/stderr_log.h"
#include "tests/unit/ipc/run_loop.h"

namespace localproxy::monitor {
namespace {

using localproxy::test::run_ready;
using localproxy::test::run_until;

class ChildTest : public testing::Test {
 protected:
  // Plays the launcher: holds the ends that the helper would have received, and the requests.
  void SetUp() override {
    auto channel = make_socketpair(SOCK_SEQPACKET);
    auto errors = make_socketpair(SOCK_SEQPACKET);
    ASSERT_TRUE(channel.ok() && errors.ok());
    channel_ = std::move(channel->second);
    errors_ = std::move(errors->second);
    child_ = std::make_unique<Child>(
        loop_, log_, log_, ipc::Role::kNet, Child::Ends{std::move(channel->first), std::move(errors->first)},
        ipc::Setup(), Child::Launched{[this] { ++kills_; }, [this] { ++forgotten_; }, [] { return false; }},
        Child::Events{.on_ready = [] {},
                      .on_exit =
                          [this](const Exit& exit) {
                            ++exits_;
                            exit_ = exit;
                          }});
  }
  event::Loop loop_;
  StderrLog log_{LogLevel::kOff};
  UniqueFd channel_, errors_;
  int kills_ = 0;
  int forgotten_ = 0;
  int exits_ = 0;
  Exit exit_;
  std::unique_ptr<Child> child_;
};

TEST_F(ChildTest, SaysItsEndFromTheLoop) {
  child_->exited({Exit::How::kStatus, 0});
  EXPECT_EQ(exits_, 0);
  run_ready(loop_);
  EXPECT_EQ(exits_, 1);
}

// A second SIGTERM and the end of the children may come in the same turn of the loop.
TEST_F(ChildTest, OneThatIsDestroyedAfterItsEndSaysNothing) {
  child_->exited({Exit::How::kStatus, 0});
  child_.reset();
  run_ready(loop_);
  EXPECT_EQ(exits_, 0);
  EXPECT_EQ(forgotten_, 0) << "it had ended";
}

TEST_F(ChildTest, OneThatIsDestroyedBeforeIsKilled) {
  child_.reset();
  run_ready(loop_);
  EXPECT_EQ(exits_, 0);
  EXPECT_EQ(forgotten_, 1);
}

TEST_F(ChildTest, TellsATimeOutFromAnotherKill) {
  child_->end_within(std::chrono::milliseconds(0));
  ASSERT_TRUE(run_until(loop_, [this] { return kills_ > 0; }));
  child_->exited({Exit::How::kSignal, SIGKILL});
  run_ready(loop_);
  EXPECT_EQ(exit_.how, Exit::How::kTimeout);
  EXPECT_EQ(exit_.describe(), "was killed by SIGKILL");
}

TEST_F(ChildTest, AKillByAnotherProcessIsNoTimeOut) {
  child_->end_within(std::chrono::hours(1));
  child_->exited({Exit::How::kSignal, SIGKILL});
  run_ready(loop_);
  EXPECT_EQ(exit_.how, Exit::How::kSignal);
}

TEST_F(ChildTest, OneThatEndsByItselfAtTheLastMomentIsNoTimeOut) {
  child_->end_within(std::chrono::milliseconds(0));
  ASSERT_TRUE(run_until(loop_, [this] { return kills_ > 0; }));
  child_->exited({Exit::How::kStatus, 0});
  run_ready(loop_);
  EXPECT_EQ(exit_.how, Exit::How::kStatus);
}

TEST_F(ChildTest, ReportsTheLastLineOfAFailedHelper) {
  constexpr std::string_view kWords = "first\nfatal: no room\n";
  ASSERT_EQ(::write(errors_.get(), kWords.data(), kWords.size()), static_cast<ssize_t>(kWords.size()));
  child_->exited({Exit::How::kStatus, 71});
  run_ready(loop_);
  EXPECT_EQ(exit_.describe(), "ended with status 71: no room");
}

}  // namespace
}  // namespace localproxy::monitor
