// Deferred work: it runs in order, and is cancelled with its owner.
#include "event/loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "tests/unit/ipc/run_loop.h"

namespace localproxy::event {
namespace {

using localproxy::test::run_ready;
using testing::ElementsAre;
using testing::IsEmpty;

class TaskTest : public testing::Test {
 protected:
  std::unique_ptr<Task> task(int number) {
    return std::make_unique<Task>(loop_, [this, number] { ran_.push_back(number); });
  }
  Loop loop_;
  std::vector<int> ran_;
};

TEST_F(TaskTest, RunsFromTheLoopAndOnce) {
  const auto one = task(1);
  one->start();
  one->start();
  EXPECT_THAT(ran_, IsEmpty());
  run_ready(loop_);
  EXPECT_THAT(ran_, ElementsAre(1));
  one->start();
  run_ready(loop_);
  EXPECT_THAT(ran_, ElementsAre(1, 1));
}

TEST_F(TaskTest, RunsInTheOrderOfStarts) {
  const auto one = task(1);
  const auto two = task(2);
  two->start();
  one->start();
  run_ready(loop_);
  EXPECT_THAT(ran_, ElementsAre(2, 1));
}

TEST_F(TaskTest, DiesWithItsOwner) {
  auto one = task(1);
  const auto two = task(2);
  one->start();
  two->start();
  one.reset();
  run_ready(loop_);
  EXPECT_THAT(ran_, ElementsAre(2));
}

// Both are due in the same turn, and the first destroys the second.
TEST_F(TaskTest, CanBeDestroyedByAnEarlierTask) {
  auto victim = task(1);
  Task first(loop_, [&] { victim.reset(); });
  first.start();
  victim->start();
  run_ready(loop_);
  EXPECT_THAT(ran_, IsEmpty());
}

TEST_F(TaskTest, IsCancelled) {
  const auto one = task(1);
  one->start();
  one->cancel();
  run_ready(loop_);
  EXPECT_THAT(ran_, IsEmpty());
}

TEST_F(TaskTest, MayStartItselfAgain) {
  std::unique_ptr<Task> again;
  int runs = 0;
  again = std::make_unique<Task>(loop_, [&] {
    if (++runs < 3) again->start();
  });
  again->start();
  run_ready(loop_);
  EXPECT_EQ(runs, 3);
}

// Reports its destruction.
struct Ending {
  explicit Ending(int& count) : ends(count) {}
  ~Ending() { ++ends; }
  int& ends;
};

TEST(Deferred, DestroysWhenTheCallbackHasReturned) {
  Loop loop;
  int ends = 0;
  Deferred deferred(loop);
  auto timer = std::make_unique<Timer>(loop, [] {});
  Task callback(loop, [&] {
    deferred.destroy(std::make_unique<Ending>(ends));
    deferred.destroy(std::move(timer));
    deferred.destroy(std::unique_ptr<Ending>());
    EXPECT_EQ(ends, 0);
  });
  callback.start();
  run_ready(loop);
  EXPECT_EQ(ends, 1);
}

TEST(Deferred, DestroysAtItsOwnEnd) {
  Loop loop;
  int ends = 0;
  auto deferred = std::make_unique<Deferred>(loop);
  deferred->destroy(std::make_unique<Ending>(ends));
  deferred.reset();
  EXPECT_EQ(ends, 1);
}

TEST(Deferred, AcceptsMoreFromWhatItDestroys) {
  Loop loop;
  int ends = 0;
  Deferred deferred(loop);
  struct Parent {
    ~Parent() { deferred.destroy(std::move(child)); }
    Deferred& deferred;
    std::unique_ptr<Ending> child;
  };
  deferred.destroy(std::unique_ptr<Parent>(new Parent{deferred, std::make_unique<Ending>(ends)}));
  run_ready(loop);
  EXPECT_EQ(ends, 1);
}

}  // namespace
}  // namespace localproxy::event
