#include "base/log.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/exit_status.h"
#include "base/limits.h"

namespace localproxy {
namespace {

class Recorder : public Log {
 public:
  using Log::Log;
  std::vector<std::string> lines;

 private:
  void emit(LogLevel level, std::string_view text) override {
    lines.push_back(std::string(to_string(level)) + " " + std::string(text));
  }
};

TEST(LogTest, WritesUpToItsLevel) {
  Recorder log(LogLevel::kWarning);
  log.error("a");
  log.warning("b");
  log.info("c");
  log.debug("d");
  log.trace("e");
  log.set_level(LogLevel::kTrace);
  log.trace("f");
  log.set_level(LogLevel::kOff);
  log.error("g");
  EXPECT_EQ(log.lines, (std::vector<std::string>{"error a", "warning b", "trace f"}));
  EXPECT_FALSE(log.wants(LogLevel::kFatal));
}

TEST(LogTest, EveryLevelHasAName) {
  const char* const names[] = {"off", "fatal", "error", "warning", "info", "debug", "trace"};
  for (size_t i = 0; i < std::size(names); ++i)
    EXPECT_EQ(to_string(static_cast<LogLevel>(i)), names[i]);
}

struct EscapeCase {
  const char* name;
  std::string_view text;
  std::string_view escaped;
};

class EscapeTest : public testing::TestWithParam<EscapeCase> {};

TEST_P(EscapeTest, Escapes) {
  EXPECT_EQ(escape_for_log(GetParam().text), GetParam().escaped);
}

using namespace std::string_view_literals;

constexpr EscapeCase kEscapeCases[] = {
    {"empty", "", ""},
    {"ascii", " Az~\"\\", " Az~\"\\"},
    {"controls", "a\nb\rc\td\x1b[31m\x7f", "a\\x0ab\\x0dc\\x09d\\x1b[31m\\x7f"},
    {"nul", "a\0b"sv, "a\\x00b"},
    {"two_bytes", "\xc2\xa0\xc3\xa9\xdf\xbf", "\xc2\xa0\xc3\xa9\xdf\xbf"},
    {"three_bytes", "\xe0\xa0\x80\xe2\x82\xac\xef\xbf\xbd", "\xe0\xa0\x80\xe2\x82\xac\xef\xbf\xbd"},
    {"four_bytes", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"},
    {"c1", "\xc2\x80\xc2\x9b\xc2\x9f", "\\xc2\\x80\\xc2\\x9b\\xc2\\x9f"},
    {"c1_as_plain_bytes", "\x9b\x85", "\\x9b\\x85"},
    {"line_separators", "\xe2\x80\xa8\xe2\x80\xa9", "\\xe2\\x80\\xa8\\xe2\\x80\\xa9"},
    {"bidi_embedding", "\xe2\x80\xaa\xe2\x80\xae", "\\xe2\\x80\\xaa\\xe2\\x80\\xae"},
    {"bidi_isolate", "\xe2\x81\xa6\xe2\x81\xa9", "\\xe2\\x81\\xa6\\xe2\\x81\\xa9"},
    {"beside_bidi", "\xe2\x80\xaf\xe2\x81\xb0", "\xe2\x80\xaf\xe2\x81\xb0"},
    {"zero_width", "\xe2\x80\x8b\xe2\x80\x8c\xe2\x80\x8d\xe2\x80\x8e\xe2\x80\x8f\xe2\x81\xa0\xef\xbb\xbf",
     "\\xe2\\x80\\x8b\\xe2\\x80\\x8c\\xe2\\x80\\x8d\\xe2\\x80\\x8e\\xe2\\x80\\x8f\\xe2\\x81\\xa0\\xef\\xbb\\x"
     "bf"},
    {"arabic_letter_mark", "\xd8\x9c", "\\xd8\\x9c"},
    {"soft_hyphen", "\xc2\xad", "\\xc2\\xad"},
    {"annotations", "\xef\xbf\xb9\xef\xbf\xbb", "\\xef\\xbf\\xb9\\xef\\xbf\\xbb"},
    {"tags", "\xf3\xa0\x80\x81\xf3\xa0\x81\x81\xf3\xa0\x81\xbf",
     "\\xf3\\xa0\\x80\\x81\\xf3\\xa0\\x81\\x81\\xf3\\xa0\\x81\\xbf"},
    {"beside_format", "\xd8\x9b\xd8\x9d\xe2\x80\x8a\xe2\x80\x90\xc2\xac\xc2\xae\xef\xbf\xbc\xf3\xa1\x80\x80",
     "\xd8\x9b\xd8\x9d\xe2\x80\x8a\xe2\x80\x90\xc2\xac\xc2\xae\xef\xbf\xbc\xf3\xa1\x80\x80"},
    {"music_format", "\xf0\x9d\x85\xb3\xf0\x9d\x85\xba", "\\xf0\\x9d\\x85\\xb3\\xf0\\x9d\\x85\\xba"},
    {"overlong_two", "\xc0\xaf\xc1\xbf", "\\xc0\\xaf\\xc1\\xbf"},
    {"overlong_three", "\xe0\x80\xaf", "\\xe0\\x80\\xaf"},
    {"overlong_four", "\xf0\x80\x80\xaf", "\\xf0\\x80\\x80\\xaf"},
    {"surrogate", "\xed\xa0\x80\xed\xbf\xbf", "\\xed\\xa0\\x80\\xed\\xbf\\xbf"},
    {"beyond_unicode", "\xf4\x90\x80\x80\xf8\x88\x80\x80\x80",
     "\\xf4\\x90\\x80\\x80\\xf8\\x88\\x80\\x80\\x80"},
    {"cut_short", "\xe2\x82", "\\xe2\\x82"},
    {"cut_by_ascii", "\xe2\x82z", "\\xe2\\x82z"},
    {"cut_by_another", "\xe2\xc3\xa9", "\\xe2\xc3\xa9"},
    {"lone_continuation", "\xbfz", "\\xbfz"},
    {"never_in_utf8", "\xfe\xff", "\\xfe\\xff"},
};

INSTANTIATE_TEST_SUITE_P(Cases, EscapeTest, testing::ValuesIn(kEscapeCases),
                         [](const auto& tested) { return tested.param.name; });

TEST(EscapeLimitTest, KeepsWhatFitsExactly) {
  const std::string full(limits::kMaxLogLine, 'a');
  EXPECT_EQ(escape_for_log(full), full);
  EXPECT_EQ(escape_for_log(full + "b"), full + "...");
}

TEST(EscapeLimitTest, CutsBetweenCharacters) {
  const std::string room_for_three(limits::kMaxLogLine - 3, 'a');
  EXPECT_EQ(escape_for_log(room_for_three + "\n"), room_for_three + "...");
  EXPECT_EQ(escape_for_log(room_for_three + "\xf0\x90\x80\x80"), room_for_three + "...");
  EXPECT_EQ(escape_for_log(room_for_three + "\xe2\x82\xac"), room_for_three + "\xe2\x82\xac");
}

TEST(FatalDeathTest, SaysWhyAndEndsTheProcess) {
  const auto status = static_cast<int>(ExitStatus::kSystem);
  EXPECT_EXIT(fatal("what\nbroke"), testing::ExitedWithCode(status), "^fatal: what\\\\x0abroke\n$");
  EXPECT_EXIT(check(false, "one is two"), testing::ExitedWithCode(status), "^fatal: one is two\n$");
  check(true, "not this one");
}

}  // namespace
}  // namespace localproxy
