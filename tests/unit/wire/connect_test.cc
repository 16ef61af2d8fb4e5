#include "wire/connect.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "wire/refusal.h"

namespace localproxy::wire {
namespace {

TEST(ConnectRequestTest, IsThatOfTheRfc) {
  auto request = build_connect_request({.authority = "[::1]:443", .user_agent = "a/1 b"});
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(*request, "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\nUser-Agent: a/1 b\r\n\r\n");
  // RFC 7617, 2.
  request =
      build_connect_request({.authority = "a:1", .credentials = "Aladdin:open sesame", .user_agent = "u"});
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(*request,
            "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nProxy-Authorization: Basic "
            "QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\nUser-Agent: u\r\n\r\n");
}

TEST(ConnectRequestTest, RefusesWhatWouldBreakIt) {
  EXPECT_FALSE(build_connect_request({.authority = "", .user_agent = "u"}).ok());
  EXPECT_FALSE(build_connect_request({.authority = "a:1\r\nX: y", .user_agent = "u"}).ok());
  EXPECT_FALSE(build_connect_request({.authority = "a b:1", .user_agent = "u"}).ok());
  EXPECT_FALSE(build_connect_request({.authority = "a:1", .user_agent = "u\n"}).ok());
  const std::string longest(limits::kMaxUpgradeRequest, 'x');
  const auto request = build_connect_request({.authority = longest, .user_agent = "u"});
  ASSERT_FALSE(request.ok());
  EXPECT_EQ(request.error().text(), "CONNECT request of more than 4096 bytes");
}

HttpResponse response(std::string line, std::vector<std::pair<std::string, std::string>> headers = {}) {
  return {403, std::move(line), std::move(headers)};
}

TEST(RefusalTest, ShowsTheFirstLineOfText) {
  struct Case {
    const char* body;
    const char* shown;
  };
  constexpr Case kCases[] = {{"", "HTTP/1.1 403 No"},
                             {"why\r\nmore", "HTTP/1.1 403 No: why"},
                             {"why\nmore", "HTTP/1.1 403 No: why"},
                             {"\nwhy", "HTTP/1.1 403 No"},
                             {"<html>why", "HTTP/1.1 403 No"}};
  for (const Case& row : kCases) {
    Refusal refusal;
    EXPECT_FALSE(refusal.take(response("HTTP/1.1 403 No"), as_bytes(std::string_view(row.body))));
    EXPECT_EQ(refusal.text(response("HTTP/1.1 403 No")), row.shown);
  }
}

TEST(RefusalTest, IsNotLongerThanItsLength) {
  const auto length = response("s", {{"Content-Length", "3"}});
  Refusal refusal;
  EXPECT_TRUE(refusal.take(length, as_bytes(std::string_view("why not"))));
  EXPECT_EQ(refusal.text(length), "s: why");
  for (const char* text : {"", "x", "-3", "3x", "3, 3", "99999999999999999999"}) {
    const auto senseless = response("s", {{"Content-Length", text}});
    Refusal other;
    EXPECT_FALSE(other.take(senseless, as_bytes(std::string_view("why not")))) << text;
    EXPECT_EQ(other.text(senseless), "s: why not") << text;
  }
}

TEST(RefusalTest, TakesNoPayloadForTheEndOfTheLastChunk) {
  const auto chunked = response("s", {{"Transfer-Encoding", "chunked"}});
  Refusal refusal;
  EXPECT_FALSE(refusal.take(chunked, as_bytes(std::string_view("c\r\nwhy 0\r\n\r\n"))));
  EXPECT_EQ(refusal.text(chunked), "s: why 0");
}

TEST(RefusalTest, EndsWithItsLengthItsLastChunkOrItsBound) {
  const auto length = response("s", {{"Content-Length", "3"}});
  Refusal refusal;
  EXPECT_FALSE(refusal.take(length, as_bytes(std::string_view("wh"))));
  EXPECT_TRUE(refusal.take(length, as_bytes(std::string_view("y"))));
  EXPECT_EQ(refusal.text(length), "s: why");
  EXPECT_TRUE(Refusal().take(response("s", {{"Content-Length", "0"}}), {}));
  const auto chunked = response("s", {{"Transfer-Encoding", "chunked"}});
  Refusal in_chunks;
  EXPECT_FALSE(in_chunks.take(chunked, as_bytes(std::string_view("3\r\nwhy\r\n"))));
  EXPECT_TRUE(in_chunks.take(chunked, as_bytes(std::string_view("0\r\n\r\n"))));
  EXPECT_EQ(in_chunks.text(chunked), "s: why");
  Refusal endless_trailer;
  EXPECT_TRUE(endless_trailer.take(chunked, as_bytes(std::string_view("3\r\nwhy\r\n0\r\nMore: "))));
  Refusal endless;
  EXPECT_TRUE(endless.take(response("s"), as_bytes(std::string(5'000, 'x'))));
  EXPECT_EQ(endless.text(response(std::string(9'000, 's'))).size(), 128 + 2 + 256);
}

}  // namespace
}  // namespace localproxy::wire
