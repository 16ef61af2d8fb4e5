#include "monitor/socket_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/address.h"
#include "base/fd.h"

namespace localproxy::monitor {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

UniqueFd unix_socket() {
  return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

class SocketFileTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/localproxy-socket-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
    path_ = (directory_ / "x.sock").string();
  }
  void TearDown() override { fs::remove_all(directory_); }

  std::string error_of_bind() {
    const auto file = SocketFile::bind(socket_.get(), path_);
    return file ? "" : file.error().text();
  }

  fs::path directory_;
  std::string path_;
  UniqueFd socket_ = unix_socket();
};

TEST_F(SocketFileTest, IsPrivateWhateverTheUmask) {
  const mode_t before = ::umask(0);
  const auto file = SocketFile::bind(socket_.get(), path_);
  EXPECT_EQ(::umask(before), 0U) << "the umask was changed for good";
  ASSERT_TRUE(file.ok()) << file.error().text();
  struct stat status {};
  ASSERT_EQ(::lstat(path_.c_str(), &status), 0);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(SocketFileTest, IsRemovedWithItsLastOwner) {
  {
    auto file = SocketFile::bind(socket_.get(), path_);
    ASSERT_TRUE(file.ok());
    SocketFile moved = std::move(*file);
    EXPECT_EQ(moved.path(), path_);
    moved = SocketFile(std::move(moved));
    EXPECT_TRUE(fs::exists(path_));
  }
  EXPECT_FALSE(fs::exists(fs::symlink_status(path_)));
}

TEST_F(SocketFileTest, AReplacementStays) {
  {
    const auto file = SocketFile::bind(socket_.get(), path_);
    ASSERT_TRUE(file.ok());
    fs::remove(path_);
    std::ofstream(path_) << "mine";
  }
  EXPECT_TRUE(fs::is_regular_file(path_));
}

TEST_F(SocketFileTest, AStaleOneIsReplaced) {
  const Address address = unix_address(path_);
  {
    const UniqueFd old = unix_socket();
    ASSERT_EQ(::bind(old.get(), address.get(), address.size), 0);
  }
  EXPECT_EQ(error_of_bind(), "");
}

TEST_F(SocketFileTest, ASocketWithAListenerIsBusy) {
  const Address address = unix_address(path_);
  const UniqueFd other = unix_socket();
  ASSERT_EQ(::bind(other.get(), address.get(), address.size), 0);
  ASSERT_EQ(::listen(other.get(), 1), 0);
  EXPECT_THAT(error_of_bind(), HasSubstr("another program listens there"));
  const UniqueFd client = unix_socket();
  EXPECT_EQ(::connect(client.get(), address.get(), address.size), 0) << "it was taken away";
}

TEST_F(SocketFileTest, ALinkToAStaleSocketIsNotFollowed) {
  const std::string target = (directory_ / "target.sock").string();
  const Address address = unix_address(target);
  const UniqueFd old = unix_socket();
  ASSERT_EQ(::bind(old.get(), address.get(), address.size), 0);
  fs::create_symlink(target, path_);
  EXPECT_THAT(error_of_bind(), HasSubstr("which is no socket"));
  EXPECT_TRUE(fs::exists(fs::symlink_status(target)));
}

TEST_F(SocketFileTest, AFileIsNoSocket) {
  std::ofstream(path_) << "x";
  EXPECT_THAT(error_of_bind(), HasSubstr("which is no socket"));
}

TEST_F(SocketFileTest, AMissingDirectoryIsNamed) {
  path_ = (directory_ / "none" / "x.sock").string();
  EXPECT_THAT(error_of_bind(), HasSubstr("its folder does not exist"));
}

}  // namespace
}  // namespace localproxy::monitor
