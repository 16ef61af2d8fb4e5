#include "sandbox/ids.h"

#include <errno.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/unit/sandbox/in_child.h"
#include "tests/unit/sandbox/status.h"

namespace localproxy::sandbox {
namespace {

using test::Child;
using test::Ended;
using test::in_child;
using test::kIds;
using test::ordinary_user;
using test::value_of;
using testing::HasSubstr;

constexpr char kNone[] = "0000000000000000";

TEST(FindUserTest, AnOrdinaryUserIsFound) {
  const auto user = ordinary_user();
  if (!user) GTEST_SKIP() << "there is only root here";
  const auto ids = find_user(user->pw_name);
  ASSERT_TRUE(ids.ok()) << ids.error().text();
  EXPECT_EQ(ids->uid, user->pw_uid);
  EXPECT_EQ(ids->gid, user->pw_gid);
}

TEST(FindUserTest, AnUnknownUserIsNamedWithAWayOut) {
  for (const char* name : {"no-such-user-here", "", "root "}) {
    const auto ids = find_user(name);
    ASSERT_FALSE(ids.ok());
    EXPECT_EQ(ids.error().text(), "there is no user '" + std::string(name) +
                                      "' to become: create it as a system user, name another with --user, or "
                                      "start as an ordinary user");
  }
}

TEST(FindUserTest, AnOrdinaryUserIsFoundByNumber) {
  const auto user = ordinary_user();
  if (!user) GTEST_SKIP() << "there is only root here";
  const auto ids = find_user(std::to_string(user->pw_uid));
  ASSERT_TRUE(ids.ok()) << ids.error().text();
  EXPECT_EQ(ids->uid, user->pw_uid);
  EXPECT_EQ(ids->gid, user->pw_gid);
}

TEST(FindUserTest, NumbersOfUserAndGroupNeedNoEntry) {
  const auto ids = find_user("3000000001:3000000002");
  ASSERT_TRUE(ids.ok()) << ids.error().text();
  EXPECT_EQ(ids->uid, 3'000'000'001U);
  EXPECT_EQ(ids->gid, 3'000'000'002U);
}

TEST(FindUserTest, ANumberWithoutAnEntryNeedsAGroup) {
  const auto ids = find_user("3000000001");
  ASSERT_FALSE(ids.ok());
  EXPECT_THAT(ids.error().text(), HasSubstr("--user 3000000001:GID"));
}

TEST(FindUserTest, NumbersThatMeanRootOrNobodyAreRefused) {
  for (const char* name : {"0", "0:0", "0:1", "1:0", "4294967295:1", "1:4294967295"})
    EXPECT_FALSE(find_user(name).ok()) << name;
  for (const char* name : {"1:", ":1", "1:2:3", "1:users", "4294967296:1", "-1:1"})
    EXPECT_FALSE(find_user(name).ok()) << name;
}

TEST(FindUserTest, RootIsRefused) {
  const auto ids = find_user("root");
  ASSERT_FALSE(ids.ok());
  EXPECT_THAT(ids.error().text(), HasSubstr("the user 'root' is root"));
}

class BecomeTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root becomes another user";
  }
};

TEST_F(BecomeTest, AllIdsChangeForGood) {
  const Ended ended = in_child([](const Child::Say& say) {
    const auto become_it = become(kIds);
    if (!become_it.ok()) {
      say(become_it.error().text());
      return 2;
    }
    say(value_of("self", "status", "Uid") + "; " + value_of("self", "status", "Gid"));
    if (::getgroups(0, nullptr) != 0) return 3;
    if (::setuid(0) == 0 || ::seteuid(0) == 0 || ::setgid(0) == 0) return 4;
    if (value_of("self", "status", "CapEff") != kNone || value_of("self", "status", "CapPrm") != kNone)
      return 5;
    return 0;
  });
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ended.said, "12345\t12345\t12345\t12345; 54321\t54321\t54321\t54321");
}

TEST_F(BecomeTest, TheBoundingSetIsEmptied) {
  const Ended ended = in_child([](const Child::Say& say) {
    if (!become(kIds).ok()) return 2;
    say(value_of("self", "status", "CapBnd"));
    return 0;
  });
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ended.said, kNone);
}

TEST_F(BecomeTest, OnlyRootCan) {
  const Ended ended = in_child([](const Child::Say& say) {
    if (!become(kIds).ok()) return 2;
    const auto again = become({23'456, 23'456});
    if (again.ok()) return 3;
    say(again.error().text());
    return 0;
  });
  EXPECT_EQ(ended.status, 0);
  EXPECT_THAT(ended.said,
              HasSubstr("root cannot become an ordinary user here (setgroups: Operation not permitted)"));
  EXPECT_THAT(ended.said, HasSubstr("CAP_SETUID"));
}

TEST(DropCapabilitiesTest, NoCapabilityIsLeftInAnySet) {
  const Ended ended = in_child([](const Child::Say& say) {
    const auto dropped = drop_capabilities();
    if (!dropped.ok()) {
      say(dropped.error().text());
      return 2;
    }
    for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"}) {
      if (value_of("self", "status", set) != kNone) say(set);
    }
    // Root could empty this set, too.
    if (::geteuid() == 0 && value_of("self", "status", "CapBnd") != kNone) say("CapBnd");
    return ::chroot("/") == 0 ? 3 : 0;
  });
  EXPECT_EQ(ended.status, 0);
  EXPECT_EQ(ended.said, "");
}

TEST(DropCapabilitiesTest, TwiceIsFine) {
  EXPECT_EQ(in_child([](const Child::Say&) {
              return drop_capabilities().ok() && drop_capabilities().ok() ? 0 : 2;
            }).status,
            0);
}

}  // namespace
}  // namespace localproxy::sandbox
