#include "config/service_directory.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/unit/config/support.h"

namespace localproxy::config {
namespace {

using test::config_of;
using test::contains;
using test::error_of;
using test::run_of;
using test::TemporaryDirectory;
using test::with_basics;

std::string text_of(const std::vector<ServiceMapping>& map) {
  std::string text;
  for (const ServiceMapping& entry : map)
    text += entry.service + "=" + entry.address.host + ":" + std::to_string(entry.address.port) +
            entry.address.path + ";";
  return text;
}

class ServiceDirectoryTest : public ::testing::Test {
 protected:
  std::string read(Mode mode = Mode::kSource) {
    Diagnostics diagnostics;
    const auto map = read_service_directory(directory_.path(), mode, diagnostics);
    warnings_ = test::warnings_of(diagnostics);
    return map ? text_of(*map) : "error: " + map.error().text();
  }

  void SetUp() override { ::umask(S_IWGRP | S_IWOTH); }

  TemporaryDirectory directory_{TemporaryDirectory::Enter::kYes};
  std::vector<std::string> warnings_;
};

TEST_F(ServiceDirectoryTest, ReadsAllFilesBelow) {
  directory_.write("b.ini", "SSH1=3333\nSSH2 = 5555\n");
  directory_.write("a/deep/er/x", "# databases\nDB:1=5432\n");
  directory_.write("c.ini", "SSH1=1\nHTTP=8080");
  EXPECT_EQ(read(), "DB:1=:5432;SSH1=:3333;SSH2=:5555;HTTP=:8080;");
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(ServiceDirectoryTest, ReadsWhatADestinationConnectsTo) {
  directory_.write("d.ini", "SSH1=22\nSSH2=10.0.0.1:80\nAPP=/run/app.sock\n");
  EXPECT_EQ(read(Mode::kDestination), "SSH1=:22;SSH2=10.0.0.1:80;APP=:0/run/app.sock;");
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(ServiceDirectoryTest, LeavesOutWhatIsWrongAndSaysSo) {
  directory_.write("a.ini", "SSH1=70000\nbad id=1\nSSH2=2\n[section]\nSSH3=3\nSSH4=\n");
  directory_.write("b.yaml", "services:\n  - ssh\n");
  directory_.write("c.bin", std::string("\0\1\2", 3));
  directory_.write("d.ini", "SSH1=1\n");
  EXPECT_EQ(read(), "SSH2=:2;SSH1=:1;");
  EXPECT_TRUE(contains(warnings_, "a.ini', line 1: ignored: '70000' is not a port number"));
  EXPECT_TRUE(contains(warnings_, "a.ini', line 2: ignored: 'bad id' is not a service id"));
  EXPECT_TRUE(contains(warnings_, "a.ini', line 5: ignored: it is below a heading"));
  EXPECT_TRUE(
      contains(warnings_, "b.yaml', line 1: this is not 'name = value'; the rest of the file is ignored"));
  EXPECT_TRUE(contains(warnings_, "c.bin', line 1: this is not a text file"));
}

TEST_F(ServiceDirectoryTest, LinksToDirectoriesAreNotFollowed) {
  directory_.write("a.ini", "A=1\n");
  ASSERT_EQ(::symlink(".", directory_.path("loop").c_str()), 0);
  ASSERT_EQ(::symlink("/nonexistent", directory_.path("dangling").c_str()), 0);
  ASSERT_EQ(::symlink("a.ini", directory_.path("b.ini").c_str()), 0);
  ASSERT_EQ(::mkfifo(directory_.path("fifo").c_str(), 0600), 0);
  EXPECT_EQ(read(), "A=:1;");
  EXPECT_TRUE(warnings_.empty());
}

TEST_F(ServiceDirectoryTest, TheDirectoryMustExistAndBeSmall) {
  Diagnostics diagnostics;
  for (const char* path : {"/nonexistent", "/dev/null"})
    EXPECT_FALSE(read_service_directory(path, Mode::kSource, diagnostics).ok());
  EXPECT_EQ(error_of(with_basics({"-m", "src", "--config-dir", "/nonexistent"})),
            "--config-dir: cannot read the directory '/nonexistent': No such file or directory");
  for (int i = 0; i < 257; ++i)
    directory_.write(std::to_string(i), "");
  EXPECT_NE(read().find("there are more than 256 files"), std::string::npos);
}

TEST_F(ServiceDirectoryTest, IsForRunsWithoutAMap) {
  const std::string path = directory_.path("services");
  directory_.write("services/a.ini", "A=1\nB=/run/b.sock\nC=./c.sock\n");
  const Config source = config_of(with_basics({"-m", "src", "--config-dir", path}));
  EXPECT_TRUE(source.services.empty());
  EXPECT_EQ(source.known_services.size(), 3u);
  EXPECT_TRUE(source.known_services[2].address.path.starts_with(directory_.path()));
  const Config destination = config_of(with_basics({"-m", "dst", "--config-dir", path}));
  EXPECT_TRUE(destination.services.empty());
  EXPECT_EQ(destination.known_services.size(), 3u);
  const auto mapped = run_of(with_basics({"-s", "A=2", "--config-dir", path}));
  EXPECT_TRUE(mapped.config.known_services.empty());
  EXPECT_TRUE(contains(test::warnings_of(mapped.diagnostics),
                       "--config-dir is ignored because of --source-listen-port"));
  directory_.write("services/a.ini", "");
  EXPECT_NE(error_of(with_basics({"-m", "dst", "--config-dir", path})).find("--config-dir to say what"),
            std::string::npos);
}

TEST_F(ServiceDirectoryTest, TheDefaultIsReadOnlyWhenItIsOurs) {
  EXPECT_TRUE(config_of(with_basics({"-m", "src"})).known_services.empty());
  directory_.write("config/a.ini", "A=1\n");
  EXPECT_EQ(text_of(config_of(with_basics({"-m", "src"})).known_services), "A=:1;");
  EXPECT_TRUE(config_of(with_basics({"-s", "2"})).known_services.empty());
  ::chmod("config", 0777);
  const auto strange = run_of(with_basics({"-m", "src"}));
  EXPECT_TRUE(strange.config.known_services.empty());
  EXPECT_TRUE(
      contains(test::warnings_of(strange.diagnostics), "'./config' is ignored because others can change it"));
  EXPECT_EQ(text_of(config_of(with_basics({"-m", "src", "--config-dir", "config"})).known_services), "A=:1;");
  ::chmod("config", 0775);
  EXPECT_TRUE(config_of(with_basics({"-m", "src"})).known_services.empty()) << "a group may write to it";
  std::filesystem::remove_all("config");
  directory_.write("config", "a file");
  EXPECT_EQ(test::warnings_of(run_of(with_basics({"-m", "src"})).diagnostics).size(), 1u);
}

TEST_F(ServiceDirectoryTest, FilesOfTheDefaultThatOthersCanChangeAreIgnored) {
  directory_.write("config/a.ini", "A=1\n");
  directory_.write("config/b.ini", "B=2\n");
  directory_.write("config/c.ini", "C=3\n");
  ::chmod("config/b.ini", 0664);
  ::chmod("config/c.ini", 0646);
  const auto run = run_of(with_basics({"-m", "src"}));
  EXPECT_EQ(text_of(run.config.known_services), "A=:1;");
  for (const char* file : {"b.ini", "c.ini"})
    EXPECT_TRUE(
        contains(test::warnings_of(run.diagnostics), std::string(file) + "' is ignored because others"))
        << file;
  // They were named on the command line.
  EXPECT_EQ(text_of(config_of(with_basics({"-m", "src", "--config-dir", "config"})).known_services),
            "A=:1;B=:2;C=:3;");
}

TEST_F(ServiceDirectoryTest, ALinkOfAStrangerIsIgnored) {
  directory_.write("mine/a.ini", "A=1\n");
  ASSERT_EQ(::symlink("mine", "config"), 0);
  EXPECT_EQ(text_of(config_of(with_basics({"-m", "src"})).known_services), "A=:1;") << "a link of this user";
  if (::lchown("config", 12'345, 12'345) != 0) GTEST_SKIP() << "only root gives links away";
  EXPECT_TRUE(config_of(with_basics({"-m", "src"})).known_services.empty());
  ASSERT_EQ(::unlink("config"), 0);
  directory_.write("config/b.ini", "B=2\n");
  ASSERT_EQ(::symlink("../mine/a.ini", "config/a.ini"), 0);
  ASSERT_EQ(::lchown("config/a.ini", 12'345, 12'345), 0);
  EXPECT_EQ(text_of(config_of(with_basics({"-m", "src"})).known_services), "B=:2;");
}

}  // namespace
}  // namespace localproxy::config
