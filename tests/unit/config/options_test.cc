#include "config/options.h"

#include <gtest/gtest.h>

#include <cctype>
#include <set>
#include <string>

#include "tests/unit/config/support.h"

namespace localproxy::config {
namespace {

using test::error_of;
using test::printed_by;

std::string long_name(const Option& option) {
  return std::string("--") + option.name;
}

TEST(OptionsTest, TheTableIsSound) {
  std::set<std::string> names;
  std::set<char> letters;
  std::set<OptionId> ids;
  for (const Option& option : options()) {
    EXPECT_TRUE(names.insert(option.name).second) << option.name;
    EXPECT_TRUE(ids.insert(option.id).second) << option.name;
    EXPECT_TRUE(option.letter == 0 || letters.insert(option.letter).second) << option.name;
    EXPECT_EQ(std::string(option.argument).empty(), option.shape == Shape::kFlag) << option.name;
    EXPECT_FALSE(std::string(option.help).empty()) << option.name;
    EXPECT_EQ(find_option(std::string_view(option.name)), &option);
    EXPECT_EQ(option_name(option.id), long_name(option));
    if (option.letter != 0) {
      EXPECT_EQ(find_option(option.letter), &option);
    }
  }
  EXPECT_EQ(options().size(), kOptionCount - (LOCALPROXY_ALLOW_NO_VERIFY ? 0 : 1));
  EXPECT_EQ(find_option("nope"), nullptr);
  EXPECT_EQ(find_option(""), nullptr);
  EXPECT_EQ(find_option('\0'), nullptr);
  EXPECT_EQ(find_option('?'), nullptr);
}

TEST(OptionsTest, HelpHasEveryOption) {
  const std::string help = printed_by({"--help"});
  size_t before = 0;
  for (const Option& option : options()) {
    std::string line = std::string("\n  ");
    if (option.letter != 0) line += std::string("-") + option.letter + ",";
    line += long_name(option);
    if (*option.argument != '\0') line += std::string(" ") + option.argument;
    const size_t at = help.find(line);
    ASSERT_NE(at, std::string::npos) << line;
    EXPECT_GT(at, before) << "the order is not that of the table";
    before = at;
    EXPECT_NE(help.find(option.help, at), std::string::npos);
  }
  EXPECT_TRUE(help.ends_with("\n"));
}

TEST(OptionsTest, HelpHasTheWordsThatScriptsLookFor) {
  for (const char* question : {"-h", "--help"})
    EXPECT_NE(printed_by({question}).find("Show help message"), std::string::npos) << question;
}

TEST(OptionsTest, HelpFitsATerminal) {
  const std::string help = printed_by({"-h"});
  for (size_t start = 0; start < help.size();) {
    const size_t end = help.find('\n', start);
    EXPECT_LE(end - start, 100u) << help.substr(start, end - start);
    start = end + 1;
  }
}

TEST(OptionsTest, EveryOptionThatNeedsAValueSaysSo) {
  for (const Option& option : options()) {
    if (option.shape == Shape::kFlag) continue;
    const std::string missing = "the required argument for option '" + long_name(option) + "' is missing";
    EXPECT_EQ(error_of({long_name(option)}), missing);
    EXPECT_EQ(error_of({long_name(option), "--mode", "src"}), missing);
    EXPECT_EQ(error_of({long_name(option), "--mode=src"}), missing);
    EXPECT_EQ(error_of({long_name(option), "-r"}), missing);
    EXPECT_EQ(error_of({long_name(option) + "="}), "the argument for option '" + long_name(option) +
                                                       "' should follow immediately after the equal sign");
    if (option.letter != 0) {
      EXPECT_EQ(error_of({std::string("-") + option.letter}), missing);
    }
  }
}

TEST(OptionsTest, NoFlagTakesAValue) {
  for (const Option& option : options()) {
    if (option.shape != Shape::kFlag) continue;
    EXPECT_EQ(error_of({long_name(option) + "=true"}),
              "option '" + long_name(option) + "' does not take any arguments");
    EXPECT_EQ(error_of({long_name(option) + "="}),
              "option '" + long_name(option) + "' does not take any arguments");
  }
}

// libc parses the command line, with its own rules for abbreviations.
TEST(OptionsTest, EveryStartOfANameMeansWhatGuessOptionSays) {
  for (const Option& option : options()) {
    const std::string name = option.name;
    for (size_t size = 1; size <= name.size(); ++size) {
      const std::string start = name.substr(0, size);
      const auto meant = guess_option(start);
      std::string expected;
      if (!meant)
        expected = meant.error().text();
      else if ((*meant)->shape == Shape::kFlag)
        expected = "option '" + long_name(**meant) + "' does not take any arguments";
      else
        expected = "the argument for option '" + long_name(**meant) +
                   "' should follow immediately after the equal sign";
      EXPECT_EQ(error_of({"--" + start + "="}), expected) << start;
    }
    EXPECT_EQ(error_of({long_name(option) + "x"}), "unrecognised option '" + long_name(option) + "x'");
  }
}

TEST(OptionsTest, MostMayBeGivenOnce) {
  for (const Option& option : options()) {
    if (option.shape == Shape::kList || option.id == OptionId::kHelp || option.id == OptionId::kVersion)
      continue;
    test::Words words;
    for (int i = 0; i < 2; ++i) {
      words.push_back(long_name(option));
      if (option.shape != Shape::kFlag) words.emplace_back("SECRET");
    }
    const std::string error = error_of(words);
    EXPECT_EQ(error, "option '" + long_name(option) + "' cannot be specified more than once");
  }
}

}  // namespace
}  // namespace localproxy::config
