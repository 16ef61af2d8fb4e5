// A helper as its parent sees it, without one.
#include "monitor/child.h"

#include <gtest/gtest.h>

#include "tests/unit/ipc/run_loop.h"

namespace localproxy::monitor {
namespace {

using localproxy::test::run_ready;

// Keeps what the helper would have got.
class FakeStarter : public Starter {
 public:
  Result<uint32_t> start(Child& child, Parts parts) override {
    child_ = &child;
    parts_ = std::make_unique<Parts>(std::move(parts));
    return 1U;
  }
  void kill(uint32_t) override { ++kills; }
  void forget(uint32_t) override { ++forgotten; }

  int kills = 0;
  int forgotten = 0;

 private:
  Child* child_ = nullptr;
  std::unique_ptr<Parts> parts_;
};

class ChildTest : public testing::Test {
 protected:
  void SetUp() override {
    auto started = Child::start(loop_, log_, starter_, {.role = ipc::Role::kNet, .setup = setup_},
                                {.on_ready = [] {}, .on_exit = [this](const Exit&) { ++exits_; }});
    ASSERT_TRUE(started.ok());
    child_ = std::move(*started);
  }
  event::Loop loop_;
  StderrLog log_{LogLevel::kOff};
  FakeStarter starter_;
  const ipc::Setup setup_{};
  int exits_ = 0;
  std::unique_ptr<Child> child_;
};

TEST_F(ChildTest, SaysItsEndFromTheLoop) {
  child_->exited({false, 0});
  EXPECT_EQ(exits_, 0);
  run_ready(loop_);
  EXPECT_EQ(exits_, 1);
}

// As when a second SIGTERM and the end of the children come in the same turn of the loop.
TEST_F(ChildTest, OneThatIsDestroyedAfterItsEndSaysNothing) {
  child_->exited({false, 0});
  child_.reset();
  run_ready(loop_);
  EXPECT_EQ(exits_, 0);
  EXPECT_EQ(starter_.forgotten, 0) << "it had ended";
}

TEST_F(ChildTest, OneThatIsDestroyedBeforeIsKilled) {
  child_.reset();
  run_ready(loop_);
  EXPECT_EQ(exits_, 0);
  EXPECT_EQ(starter_.forgotten, 1);
}

}  // namespace
}  // namespace localproxy::monitor
