#include "config/client_token.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/config/support.h"

namespace localproxy::config {
namespace {

TEST(HmacTest, GivesTheVectorsOfRfc4231) {
  EXPECT_EQ(hmac_sha256(std::string(20, '\x0b'), "Hi There").reveal(),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hmac_sha256("Jefe", "what do ya want for nothing?").reveal(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hmac_sha256(std::string(20, '\xaa'), std::string(50, '\xdd')).reveal(),
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
  EXPECT_EQ(hmac_sha256(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First")
                .reveal(),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

class ClientKeyTest : public ::testing::Test {
 protected:
  std::string key() const {
    std::string why_not;
    auto key = client_key(state, true, why_not);
    EXPECT_TRUE(key.ok()) << key.error().text();
    EXPECT_TRUE(!key.ok() || key->has_value()) << why_not;
    return key.ok() && *key ? std::string((*key)->reveal()) : std::string();
  }
  std::string error() const {
    std::string why_not;
    auto key = client_key(state, true, why_not);
    EXPECT_FALSE(key.ok());
    return key.ok() ? std::string() : key.error().text();
  }
  test::TemporaryDirectory directory;
  const std::string state = directory.path("a/b");
  const std::string file = state + "/client-token.key";
};

TEST_F(ClientKeyTest, IsMadeOnceForItsOwnerAlone) {
  const std::string first = key();
  EXPECT_EQ(first.size(), kClientKeySize);
  EXPECT_EQ(key(), first);
  struct stat status {};
  ASSERT_EQ(::stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
  ASSERT_EQ(::stat(state.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700U);
}

TEST_F(ClientKeyTest, LeavesNothingElseBehind) {
  key();
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(state), {}), 1);
}

TEST_F(ClientKeyTest, IsRefusedWhenOthersCanReadTheFile) {
  key();
  ::chmod(file.c_str(), 0640);
  EXPECT_EQ(error(), "other users may read or write '" + file + "'; use chmod to prevent that");
}

TEST_F(ClientKeyTest, IsRefusedWhenOthersCanWriteToTheDirectory) {
  key();
  ::chmod(state.c_str(), 0770);
  EXPECT_EQ(error(), "other users may write to '" + state + "'; use chmod to prevent that");
}

TEST_F(ClientKeyTest, IsRefusedWhenTheFileIsShort) {
  directory.write("a/b/client-token.key", "short");
  ::chmod(state.c_str(), 0700);
  EXPECT_EQ(error(), "'" + file + "' does not hold a key of 32 bytes; remove the file");
}

TEST_F(ClientKeyTest, IsRefusedBehindALink) {
  key();
  std::filesystem::rename(file, directory.path("elsewhere"));
  std::filesystem::create_symlink(directory.path("elsewhere"), file);
  EXPECT_EQ(error().find("cannot open '" + file + "'"), 0U) << error();
}

TEST_F(ClientKeyTest, IsRefusedWhenTheFileIsAPipe) {
  key();
  std::filesystem::remove(file);
  ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  EXPECT_EQ(error(), "'" + file + "' is not a regular file");
}

TEST_F(ClientKeyTest, IsRefusedWhenAnotherUserOwnsTheFile) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  key();
  ASSERT_EQ(::chown(file.c_str(), 1, 1), 0);
  EXPECT_EQ(error(), "'" + file + "' belongs to another user");
}

TEST_F(ClientKeyTest, IsAbsentWhenTheDirectoryCannotBeMade) {
  directory.write("a", "a file");
  std::string why_not;
  auto key = client_key(state, true, why_not);
  ASSERT_TRUE(key.ok()) << key.error().text();
  EXPECT_FALSE(key->has_value());
  EXPECT_EQ(why_not.find("cannot create '" + file + "'"), 0U) << why_not;
}

TEST_F(ClientKeyTest, IsAbsentWhenTheDirectoryIsAnotherUsers) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a directory away";
  key();
  ASSERT_EQ(::chown(state.c_str(), 1, 1), 0);
  std::string why_not;
  auto key = client_key(state, true, why_not);
  ASSERT_TRUE(key.ok()) << key.error().text();
  EXPECT_FALSE(key->has_value());
  EXPECT_EQ(why_not, "'" + state + "' belongs to another user");
}

TEST_F(ClientKeyTest, ACheckLeavesNothingBehind) {
  std::string why_not;
  auto key = client_key(state, false, why_not);
  ASSERT_TRUE(key.ok() && *key) << why_not;
  EXPECT_FALSE(std::filesystem::exists(directory.path("a")));
}

TEST_F(ClientKeyTest, ACheckUsesTheKeyThatIsThere) {
  const std::string first = key();
  std::string why_not;
  auto again = client_key(state, false, why_not);
  ASSERT_TRUE(again.ok() && *again);
  EXPECT_EQ((*again)->reveal(), first);
}

TEST_F(ClientKeyTest, TokensOfManyStartsAtOnceAreTheSame) {
  std::vector<std::string> tokens(8);
  std::vector<std::thread> starts;
  for (std::string& token : tokens)
    starts.emplace_back([&] {
      auto made = make_client_token(state, Secret("access"), true);
      if (made.ok()) token = made->token.reveal();
    });
  for (std::thread& start : starts)
    start.join();
  EXPECT_EQ(tokens[0].size(), 64U);
  EXPECT_EQ(std::set<std::string>(tokens.begin(), tokens.end()).size(), 1U);
}

TEST_F(ClientKeyTest, AnotherAccessTokenHasAnotherClientToken) {
  auto one = make_client_token(state, Secret("one"), true);
  auto other = make_client_token(state, Secret("other"), true);
  ASSERT_TRUE(one.ok() && other.ok());
  EXPECT_NE(one->token.reveal(), other->token.reveal());
}

TEST(ClientTokenTest, IsRandomWithoutADirectory) {
  auto one = make_client_token("", Secret("access"), true);
  auto other = make_client_token("", Secret("access"), true);
  ASSERT_TRUE(one.ok() && other.ok());
  EXPECT_NE(one->token.reveal(), other->token.reveal());
  EXPECT_TRUE(one->key.empty());
  EXPECT_FALSE(one->why_random.empty());
}

}  // namespace
}  // namespace localproxy::config
