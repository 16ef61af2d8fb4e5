#include "base/text.h"

#include <gtest/gtest.h>
#include <stdint.h>

#include <string>
#include <vector>

#include "base/limits.h"

namespace localproxy {
namespace {

using namespace std::string_view_literals;

TEST(TrimTest, TakesBlanksFromBothEnds) {
  EXPECT_EQ(trim(" \ta b\t "), "a b");
  EXPECT_EQ(trim("a"), "a");
  EXPECT_EQ(trim(""), "");
  EXPECT_EQ(trim(" \t "), "");
  EXPECT_EQ(trim("a\r"), "a\r");
  EXPECT_EQ(trim(" a\r", " \r"), "a");
  EXPECT_EQ(trim("\0a "sv), "\0a"sv);
}

TEST(ConsistsOfTest, ChecksEveryByte) {
  EXPECT_TRUE(consists_of("", kAsciiDigits));
  EXPECT_TRUE(consists_of("0123456789", kAsciiDigits));
  EXPECT_FALSE(consists_of("12 ", kAsciiDigits));
  EXPECT_FALSE(consists_of("1\0"sv, kAsciiDigits));
  EXPECT_TRUE(consists_of("azAZ09", kAsciiAlphanumeric));
  for (const char* text : {"-", "/", ":", "@", "[", "`", "{", "\xc3\xa9"})
    EXPECT_FALSE(consists_of(text, kAsciiAlphanumeric)) << text;
}

TEST(CaseTest, AffectsOnlyAsciiLetters) {
  for (int code = 0; code < 256; ++code) {
    const char byte = static_cast<char>(code);
    EXPECT_EQ(to_lower(byte), code >= 'A' && code <= 'Z' ? static_cast<char>(code + 'a' - 'A') : byte)
        << code;
  }
  EXPECT_TRUE(equal_ignoring_case("", ""));
  EXPECT_TRUE(equal_ignoring_case("Content-Length", "content-lENGTH"));
  EXPECT_FALSE(equal_ignoring_case("a", "ab"));
  EXPECT_FALSE(equal_ignoring_case("@", "`")) << "32 apart, as letters are";
  EXPECT_FALSE(equal_ignoring_case("\xc3\x89", "\xc3\xa9"));
}

TEST(ServiceIdTest, IsWhatTheServiceTakes) {
  for (int code = 0; code < 256; ++code) {
    const char byte = static_cast<char>(code);
    const bool expected = (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z') ||
                          (code >= '0' && code <= '9') || byte == ':' || byte == '_' || byte == '-';
    EXPECT_EQ(is_service_id(std::string(1, byte)), expected) << code;
    EXPECT_EQ(is_service_id(std::string("a") + byte + "b"), expected) << code;
  }
  EXPECT_FALSE(is_service_id(""));
  EXPECT_TRUE(is_service_id(std::string(limits::kMaxServiceId, 'a')));
  EXPECT_FALSE(is_service_id(std::string(limits::kMaxServiceId + 1, 'a')));
}

TEST(Utf8Test, ACharacterHasACodeAndASize) {
  const auto shown = [](std::string_view text) {
    const auto character = first_utf8_character(text);
    return character ? std::to_string(character->code) + "/" + std::to_string(character->size) : "none";
  };
  EXPECT_EQ(shown("a\xff"), "97/1");
  EXPECT_EQ(shown("\0"sv), "0/1");
  EXPECT_EQ(shown("\x7f"), "127/1");
  EXPECT_EQ(shown("\xc2\x80"), "128/2");
  EXPECT_EQ(shown("\xdf\xbf"), "2047/2");
  EXPECT_EQ(shown("\xe0\xa0\x80"), "2048/3");
  EXPECT_EQ(shown("\xed\x9f\xbf"), "55295/3");
  EXPECT_EQ(shown("\xee\x80\x80"), "57344/3");
  EXPECT_EQ(shown("\xef\xbf\xbf more"), "65535/3");
  EXPECT_EQ(shown("\xf0\x90\x80\x80"), "65536/4");
  EXPECT_EQ(shown("\xf4\x8f\xbf\xbf"), "1114111/4");
}

TEST(Utf8Test, MalformedBytesAreNoCharacter) {
  for (const std::string_view text :
       {""sv, "\x80"sv, "\xbf"sv, "\xc0\xaf"sv, "\xc1\xbf"sv, "\xc2"sv, "\xc2\x41"sv, "\xe0\x9f\xbf"sv,
        "\xe2\x82"sv, "\xe2\x82\x41"sv, "\xed\xa0\x80"sv, "\xf0\x8f\xbf\xbf"sv, "\xf0\x90\x80"sv,
        "\xf4\x90\x80\x80"sv, "\xf5\x80\x80\x80"sv, "\xff"sv}) {
    EXPECT_FALSE(first_utf8_character(text).has_value()) << text;
    EXPECT_EQ(is_utf8(text), text.empty()) << text;
    EXPECT_EQ(is_utf8(std::string("a").append(text)), text.empty()) << text;
  }
  EXPECT_TRUE(is_utf8("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z"));
}

TEST(JoinTest, PutsTheSeparatorBetween) {
  EXPECT_EQ(join(std::vector<std::string>{}), "");
  EXPECT_EQ(join(std::vector<std::string>{"a"}), "a");
  EXPECT_EQ(join(std::vector<std::string>{"a", "", "c"}), "a, , c");
  EXPECT_EQ(join(std::vector<std::string>{"", ""}, "; "), "; ");
  EXPECT_EQ(join(std::vector<int>{1, 2}, " and ", [](int n) { return std::to_string(n); }), "1 and 2");
}

TEST(NumberTest, IsTheWholeText) {
  EXPECT_EQ(parse_number<uint8_t>("255"), 255);
  EXPECT_EQ(parse_number<size_t>("007"), 7U);
  EXPECT_EQ(parse_number<int64_t>("-9223372036854775808"), INT64_MIN);
  EXPECT_EQ(parse_number<unsigned>("fF", 16), 255U);
}

TEST(NumberTest, IsNothingElse) {
  for (const char* text :
       {"", " 1", "1 ", "+1", "0x1", "1.0", "1e3", "3, 3", "-", "-1", "256", "99999999999999999999"})
    EXPECT_FALSE(parse_number<uint8_t>(text).has_value()) << text;
  EXPECT_FALSE(parse_number<unsigned>("fg", 16).has_value());
}

TEST(GroupedTest, HasACommaBeforeEachThreeDigits) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(5'213), "5,213");
  EXPECT_EQ(grouped(123'456), "123,456");
  EXPECT_EQ(grouped(~uint64_t{0}), "18,446,744,073,709,551,615");
}

}  // namespace
}  // namespace localproxy
