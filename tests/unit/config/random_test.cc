// Random bytes for everything that parses text: nothing may crash, and accepted values must be sound.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "config/config_file.h"
#include "config/endpoint.h"
#include "config/settings.h"
#include "config/tokens.h"
#include "config/web_proxy.h"
#include "tests/unit/config/support.h"

namespace localproxy::config {
namespace {

constexpr int kRounds = 20'000;

// Texts of up to 24 bytes, which prefer the bytes that have a meaning.
class RandomText {
 public:
  std::string next() {
    constexpr std::string_view kMeaning = "SSH1=22,:[]/.-_@%#; \n{}\"0a";
    std::string text(random_() % 24, '\0');
    for (char& byte : text)
      byte = random_() % 8 == 0 ? static_cast<char>(random_()) : kMeaning[random_() % kMeaning.size()];
    return text;
  }

 private:
  std::mt19937 random_{20'260'101};  // NOLINT: the same texts every time
};

TEST(RandomTest, Maps) {
  RandomText random;
  int taken = 0;
  for (int i = 0; i < kRounds; ++i) {
    const std::string text = random.next();
    for (const Mode mode : {Mode::kSource, Mode::kDestination}) {
      const auto map = parse_map(text, mode);
      if (!map) {
        EXPECT_FALSE(map.error().text().empty());
        continue;
      }
      ++taken;
      ASSERT_FALSE(map->empty());
      for (const auto& [service, address] : *map) {
        EXPECT_TRUE((service.empty() && map->size() == 1) || check_service_id(service).ok());
        EXPECT_EQ(address.kind == LocalAddress::Kind::kUnix, !address.path.empty());
        EXPECT_LE(address.path.size(), 107u);
        EXPECT_TRUE(address.host.empty() || check_host(address.host).ok());
        if (mode == Mode::kDestination && address.kind == LocalAddress::Kind::kTcp) {
          EXPECT_NE(address.port, 0);
        }
      }
    }
  }
  EXPECT_GT(taken, 0);
}

TEST(RandomTest, OtherTexts) {
  RandomText random;
  for (int i = 0; i < kRounds; ++i) {
    const std::string text = random.next();
    if (const auto endpoint = parse_endpoint(text); endpoint) {
      EXPECT_NE(endpoint->port, 0);
      EXPECT_TRUE(check_host(endpoint->host).ok());
    }
    if (const auto entries = parse_ini(text); entries) {
      for (const IniEntry& entry : *entries)
        EXPECT_FALSE(entry.name.empty());
    }
    if (const auto proxy = parse_web_proxy("http://" + text); proxy) {
      EXPECT_TRUE(check_host(proxy->host).ok());
    }
    Diagnostics diagnostics;
    const auto fine = parse_settings("{\"tunneling\": {\"proxy\": " + text + "}}", diagnostics);
    EXPECT_FALSE(find_exemption({"h", 443}, parse_no_proxy(text)) != nullptr &&
                 text.find_first_of("*hH") == std::string::npos);
    EXPECT_FALSE(find_exemption({"1.2.3.4", 443}, parse_no_proxy(text)) != nullptr &&
                 text.find_first_of("*1/") == std::string::npos);
    if (check_region(text).ok()) {
      EXPECT_EQ(text.find('.'), std::string::npos);
    }
    if (check_access_token(text).ok()) {
      EXPECT_EQ(text.find_first_of(" \n"), std::string::npos);
    }
  }
}

TEST(RandomTest, CommandLines) {
  RandomText random;
  // Without the options that write files or wait for them.
  const std::vector<std::string> options = {
      "-s", "-d", "-r",       "-e",      "-t",         "-i",     "-b",      "-k",
      "-m", "-v", "--region", "--mode=", "--verbose=", "--user", "--check", "--no-client-token",
      "-"};
  std::mt19937 choice(7);  // NOLINT
  for (int i = 0; i < kRounds; ++i) {
    test::Words words;
    for (size_t n = choice() % 8; n > 0; --n) {
      std::string word = choice() % 2 == 0 ? options[choice() % options.size()] : "";
      if (choice() % 2 == 0) word += random.next();
      words.push_back(word.substr(0, word.find('\0')));
    }
    const auto outcome = test::parse(words);
    if (!outcome) {
      EXPECT_FALSE(outcome.error().text().empty());
      EXPECT_EQ(outcome.error().text().find('\n'), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace localproxy::config
