#include "base/path.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace localproxy {
namespace {

namespace fs = std::filesystem;

class PathTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/localproxy-path-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = fs::canonical(name);
  }
  void TearDown() override { fs::remove_all(directory_); }
  std::string in(const std::string& name) const { return directory_ / name; }

  fs::path directory_;
};

TEST_F(PathTest, APathWithoutLinksLeadsToItself) {
  EXPECT_EQ(link_chain(in("missing")), std::vector<std::string>{in("missing")});
  EXPECT_EQ(link_chain("/missing"), std::vector<std::string>{"/missing"});
  EXPECT_EQ(link_chain(in("no/such/directory")), std::vector<std::string>{in("no/such/directory")});
}

TEST_F(PathTest, EachLinkIsAStep) {
  fs::create_directories(directory_ / "releases/2");
  fs::create_directory_symlink("releases/2", directory_ / "current");
  fs::create_symlink("current/a", directory_ / "first");
  fs::create_symlink(in("missing"), directory_ / "releases/2/a");
  EXPECT_EQ(link_chain(in("first")),
            (std::vector<std::string>{in("first"), in("releases/2/a"), in("missing")}));
}

TEST_F(PathTest, LinksAreFollowedOneByOneFromTheRealNamesOfTheirDirectories) {
  fs::create_directories(directory_ / "releases/2");
  fs::create_directory_symlink("releases/2", directory_ / "current");
  fs::create_symlink("b", directory_ / "releases/2/a");
  fs::create_symlink("../../c", directory_ / "releases/2/b");
  Links links;
  const std::string first = links.real(in("current/a"));
  EXPECT_EQ(first, in("releases/2/a"));
  EXPECT_EQ(links.real(in("current/a")), first) << "as remembered";
  const std::string second = links.target(first);
  EXPECT_EQ(second, in("releases/2/b"));
  EXPECT_EQ(links.target(second), in("c"));
  EXPECT_EQ(links.target(in("c")), "");
  EXPECT_EQ(links.real(in("no/such")), in("no/such"));
}

TEST_F(PathTest, ACircleEnds) {
  fs::create_symlink("two", directory_ / "one");
  fs::create_symlink("one", directory_ / "two");
  EXPECT_LT(link_chain(in("one")).size(), 50U);
}

TEST_F(PathTest, ARegularFileIsNeitherADirectoryNorADeviceNorMissing) {
  std::ofstream(directory_ / "file") << "x";
  fs::create_symlink("file", directory_ / "link");
  fs::create_symlink("missing", directory_ / "dangling");
  EXPECT_TRUE(is_regular_file(in("file")));
  EXPECT_TRUE(is_regular_file(in("link")));
  for (const std::string& path : {in("missing"), in("dangling"), in("file/below"), directory_.string(),
                                  std::string("/dev/null"), std::string()})
    EXPECT_FALSE(is_regular_file(path)) << path;
}

TEST(DirectoryOfTest, IsThePartBeforeTheLastSlash) {
  EXPECT_EQ(directory_of("/a/b"), "/a");
  EXPECT_EQ(directory_of("/a"), "/");
}

}  // namespace
}  // namespace localproxy
