#include "config/tokens.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>
#include <string>

#include "base/fd.h"
#include "base/limits.h"
#include "tests/unit/config/support.h"

namespace localproxy::config {
namespace {

using namespace std::string_literals;
using test::TemporaryDirectory;

TEST(CheckAccessTokenTest, TakesTokens) {
  for (const std::string& token :
       {"x"s, std::string(test::kToken), "AQGA+/=="s, "a.b.c"s, "!\"#$%&'()*+,-./:;<=>?@[]^_`{|}~"s, "AB/CD"s,
        std::string(limits::kMaxAccessToken, 'T')})
    EXPECT_TRUE(check_access_token(token).ok()) << token;
}

struct TokenCase {
  std::string token;
  const char* part;  // of the error
};

TEST(CheckAccessTokenTest, SaysWhatIsWrongButNotTheToken) {
  const TokenCase kCases[] = {
      {"", "is empty"},
      {"SECRET ", "has blanks"},
      {" SECRET", "has blanks"},
      {"SEC RET", "has blanks"},
      {"SEC\tRET", "has blanks"},
      {"SECRET\n", "has a line end"},
      {"SECRET\r", "has a line end"},
      {"SEC\nRET", "has a line end"},
      {"SEC\x01RET", "not printable"},
      {"SEC\x7fRET", "not printable"},
      {"SEC\0RET"s, "not printable"},
      {"SECRÉT", "not printable"},
      {"/run/SECRET", "--access-token-file"},
      {"./SECRET", "--access-token-file"},
      {"../SECRET", "--access-token-file"},
      {"~/SECRET", "--access-token-file"},
      {std::string(limits::kMaxAccessToken + 1, 'S'), "longer than 3796"},
  };
  for (const TokenCase& row : kCases) {
    const auto good = check_access_token(row.token);
    ASSERT_FALSE(good.ok()) << row.token;
    EXPECT_NE(good.error().text().find(row.part), std::string::npos) << good.error().text();
    EXPECT_EQ(good.error().text().find("SEC"), std::string::npos) << good.error().text();
  }
}

TEST(CheckAccessTokenTest, RefusesTheNameOfAFileThatExists) {
  const TemporaryDirectory directory(TemporaryDirectory::Enter::kYes);
  EXPECT_TRUE(check_access_token("token.txt").ok());
  directory.write("token.txt", "x");
  EXPECT_FALSE(check_access_token("token.txt").ok());
}

TEST(CheckClientTokenTest, TakesWhatTheServiceTakes) {
  for (const std::string& token :
       {std::string(test::kClientToken), std::string(32, 'a'), std::string(128, '-')})
    EXPECT_TRUE(check_client_token(token).ok());
  for (const std::string& token :
       {""s, std::string(31, 'a'), std::string(129, 'a'), std::string(31, 'a') + "_",
        std::string(31, 'a') + "\n", std::string(32, 'a') + "\n", std::string(32, ' '),
        std::string(31, 'a') + "\0"s}) {
    const auto good = check_client_token(token);
    ASSERT_FALSE(good.ok());
    EXPECT_EQ(good.error().text(), "the client token is not made of 32 to 128 letters, digits and '-'");
  }
}

TEST(GenerateClientTokenTest, MakesRandomUuids) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const auto token = generate_client_token();
    ASSERT_TRUE(token.ok());
    const std::string text(token->reveal());
    ASSERT_EQ(text.size(), 36u);
    EXPECT_EQ(text.find_first_not_of("0123456789abcdef-"), std::string::npos) << text;
    for (const size_t dash : {8u, 13u, 18u, 23u})
      EXPECT_EQ(text[dash], '-') << text;
    EXPECT_EQ(text[14], '4') << text;
    EXPECT_NE(std::string("89ab").find(text[19]), std::string::npos) << text;
    EXPECT_TRUE(check_client_token(text).ok());
    seen.insert(text);
  }
  EXPECT_EQ(seen.size(), 1000u);
}

TEST(ReadTokenFileTest, StripsTheLineEnd) {
  const TemporaryDirectory directory;
  for (const std::string& end : {""s, "\n"s, "\r\n"s, "\n\n"s}) {
    const auto token = read_token_file(directory.write("token", test::kToken + end));
    ASSERT_TRUE(token.ok()) << token.error().text();
    EXPECT_EQ(token->reveal(), test::kToken);
  }
  const auto longest =
      read_token_file(directory.write("token", std::string(limits::kMaxAccessToken, 'x') + "\r\n"));
  ASSERT_TRUE(longest.ok());
  EXPECT_EQ(longest->size(), limits::kMaxAccessToken);
}

TEST(ReadTokenFileTest, SaysWhatIsWrongButNotTheToken) {
  const TemporaryDirectory directory;
  const TokenCase kCases[] = {
      {"", "the access token is empty"},
      {"\n", "the access token is empty"},
      {"SECRET\nSECRET\n", "has a line end"},
      {"SECRET \n", "has blanks"},
      {"\nSECRET", "has a line end"},
      {"SEC\0RET"s, "not printable"},
      {std::string(limits::kMaxAccessToken + 1, 'S'), "longer than 3796"},
      {std::string(limits::kMaxUpgradeRequest, 'S'), "more than 3798 bytes"},
  };
  for (const TokenCase& row : kCases) {
    const auto token = read_token_file(directory.write("token", row.token));
    ASSERT_FALSE(token.ok());
    EXPECT_NE(token.error().text().find(row.part), std::string::npos) << token.error().text();
    EXPECT_EQ(token.error().text().find("SEC"), std::string::npos) << token.error().text();
    EXPECT_NE(token.error().text().find(directory.path("token")), std::string::npos) << token.error().text();
  }
  const auto missing = read_token_file(directory.path("missing"));
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.error().text().find("missing': No such file or directory"), std::string::npos);
  const auto not_a_file = read_token_file(directory.path());
  ASSERT_FALSE(not_a_file.ok());
  EXPECT_NE(not_a_file.error().text().find("Is a directory"), std::string::npos);
}

TEST(ReadTokenFileTest, ReadsPipesAndStandardInput) {
  const TemporaryDirectory directory;
  auto pipe = make_pipe();
  ASSERT_TRUE(pipe.ok());
  const std::string text = std::string(test::kToken) + "\n";
  ASSERT_EQ(::write(pipe->second.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  pipe->second.reset();
  const UniqueFd before(::dup(STDIN_FILENO));
  ASSERT_EQ(::dup2(pipe->first.get(), STDIN_FILENO), STDIN_FILENO);
  const auto token = read_token_file("-");
  ::dup2(before.get(), STDIN_FILENO);
  ASSERT_TRUE(token.ok()) << token.error().text();
  EXPECT_EQ(token->reveal(), test::kToken);
}

TEST(CheckRegionTest, TakesRegions) {
  for (const std::string& region :
       {"us-east-1"s, "cn-northwest-1"s, "us-gov-west-1"s, "a"s, "1"s, std::string(63, 'a')})
    EXPECT_TRUE(check_region(region).ok()) << region;
  for (const std::string& region :
       {""s, "US-EAST-1"s, "us_east_1"s, "us east"s, " us-east-1"s, "us-east-1 "s, "us-east-1\n"s, "-a"s,
        "a-"s, "ä"s, "a@b"s, "a#"s, "a\0"s, std::string(64, 'a')})
    EXPECT_FALSE(check_region(region).ok()) << region;
  for (const std::string& region :
       {"data.tunneling.iot.us-east-1.amazonaws.com"s, "https://a"s, "a:443"s, "a/b"s}) {
    const auto good = check_region(region);
    ASSERT_FALSE(good.ok());
    EXPECT_NE(good.error().text().find("--proxy-endpoint"), std::string::npos);
  }
}

}  // namespace
}  // namespace localproxy::config
