// Where the helpers are looked for, and which are refused. They are expected beside the program, so these
// tests copy their own program into a temporary directory and run it there.
#include "monitor/helpers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace localproxy::monitor {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

// Not a test: the copy runs this, and prints the result.
TEST(HelpersProgram, DISABLED_Opens) {
  const auto helpers = Helpers::open();
  if (!helpers.ok()) {
    printf("refused: %s\n", helpers.error().text().c_str());
    return;
  }
  printf("opened: %d\n", static_cast<int>(helpers->fd(ipc::Role::kNet) >= 0) +
                             static_cast<int>(helpers->fd(ipc::Role::kBridge) >= 0) +
                             static_cast<int>(helpers->fd(ipc::Role::kResolve) >= 0) +
                             static_cast<int>(helpers->fd(ipc::Role::kLaunch) >= 0) +
                             static_cast<int>(helpers->null.valid()));
}

class HelpersTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/localproxy-helpers-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
    fs::copy_file("/proc/self/exe", directory_ / "program");
    for (const char* role : {"net", "bridge", "resolve", "launch"}) {
      std::ofstream(helper(role)) << "#!/bin/true\n";
      ASSERT_EQ(::chmod(helper(role).c_str(), 0755), 0);
    }
  }
  void TearDown() override { fs::remove_all(directory_); }

  fs::path helper(const std::string& role) const { return directory_ / ("localproxy-" + role); }
  // The output of the copy.
  std::string run() {
    const std::string command = (directory_ / "program").string() +
                                " --gtest_also_run_disabled_tests --gtest_filter=HelpersProgram.* 2>&1";
    FILE* output = ::popen(command.c_str(), "r");
    EXPECT_NE(output, nullptr);
    std::string all;
    char buffer[4'096];
    while (const size_t size = ::fread(buffer, 1, sizeof buffer, output))
      all.append(buffer, size);
    EXPECT_EQ(::pclose(output), 0);
    return all;
  }

  fs::path directory_;
};

TEST_F(HelpersTest, ThoseBesideTheProgramAreOpened) {
  EXPECT_THAT(run(), HasSubstr("opened: 5\n"));
}

TEST_F(HelpersTest, AMissingOneIsNamed) {
  for (const char* role : {"net", "bridge", "resolve", "launch"}) {
    fs::rename(helper(role), directory_ / "away");
    EXPECT_THAT(run(), HasSubstr("refused: cannot open the helper " + helper(role).string() +
                                 ": No such file or directory\n"));
    fs::rename(directory_ / "away", helper(role));
  }
}

TEST_F(HelpersTest, ALinkIsRefused) {
  fs::rename(helper("net"), directory_ / "away");
  fs::create_symlink(directory_ / "away", helper("net"));
  EXPECT_THAT(run(), HasSubstr("refused: the helper " + helper("net").string() + " is not a plain file\n"));
}

TEST_F(HelpersTest, ADirectoryIsRefused) {
  fs::remove(helper("bridge"));
  fs::create_directory(helper("bridge"));
  EXPECT_THAT(run(),
              HasSubstr("refused: the helper " + helper("bridge").string() + " is not a plain file\n"));
}

TEST_F(HelpersTest, OneThatCannotBeExecutedIsRefused) {
  ASSERT_EQ(::chmod(helper("bridge").c_str(), 0644), 0);
  EXPECT_THAT(run(), HasSubstr(helper("bridge").string() + " is not executable"));
}

TEST_F(HelpersTest, AWorldWritableHelperIsRefused) {
  ASSERT_EQ(::chmod(helper("resolve").c_str(), 0757), 0);
  EXPECT_THAT(run(), HasSubstr("could have been replaced by another user"));
}

TEST_F(HelpersTest, OneOfAnotherUserIsRefused) {
  if (::chown(helper("net").c_str(), 12'345, static_cast<gid_t>(-1)) != 0)
    GTEST_SKIP() << "only root gives files away";
  EXPECT_THAT(run(), HasSubstr("could have been replaced by another user"));
}

// The owner of the program could already run code as us.
TEST_F(HelpersTest, TheWholeTreeOfAnotherUserIsOpened) {
  for (const auto& entry : fs::directory_iterator(directory_)) {
    if (::chown(entry.path().c_str(), 12'345, 12'345) != 0) GTEST_SKIP() << "only root gives files away";
    ASSERT_EQ(::chmod(entry.path().c_str(), 0775), 0);
  }
  ASSERT_EQ(::chown(directory_.c_str(), 12'345, 12'345), 0);
  ASSERT_EQ(::chmod(directory_.c_str(), 0775), 0);
  EXPECT_THAT(run(), HasSubstr("opened: 5\n"));
  // But not a helper of a third user.
  ASSERT_EQ(::chown(helper("net").c_str(), 12'346, 12'345), 0);
  EXPECT_THAT(run(), HasSubstr("could have been replaced by another user"));
}

TEST_F(HelpersTest, OneThatAGroupMayWriteAndTheProgramNotIsRefused) {
  if (::chown(helper("net").c_str(), 0, 12'345) != 0) GTEST_SKIP() << "only root gives files away";
  EXPECT_THAT(run(), HasSubstr("opened: 5\n"));
  ASSERT_EQ(::chmod(helper("net").c_str(), 0775), 0);
  EXPECT_THAT(run(), HasSubstr("could have been replaced by another user"));
}

// Even of root's group, and of a group that this user is alone in.
TEST_F(HelpersTest, OneThatTheGroupOfThisUserMayWriteIsRefused) {
  ASSERT_EQ(::chmod(helper("net").c_str(), 0775), 0);
  EXPECT_THAT(run(), HasSubstr("could have been replaced by another user"));
}

TEST_F(HelpersTest, AWorldWritableDirectoryIsRefused) {
  ASSERT_EQ(::chmod(directory_.c_str(), 0757), 0);
  EXPECT_THAT(run(),
              HasSubstr("the helpers in " + directory_.string() + " could be replaced by another user"));
  ASSERT_EQ(::chmod(directory_.c_str(), 01757), 0) << "but in a sticky one no other user can remove a file";
  EXPECT_THAT(run(), HasSubstr("opened: 5\n"));
}

}  // namespace
}  // namespace localproxy::monitor
