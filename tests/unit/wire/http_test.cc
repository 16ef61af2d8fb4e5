#include "wire/http.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.h"

namespace localproxy::wire {
namespace {

using namespace std::string_literals;

using Headers = std::vector<std::pair<std::string, std::string>>;

const std::string kUpgrade =
    "HTTP/1.1 101 Switching Protocols\r\n"
    "Upgrade: websocket\r\n"
    "connection:upgrade\r\n"
    "Empty:\r\n"
    "X-Padded: \t two words \t\r\n"
    "channel-id: caf\xc3\xa9\xff\r\n"
    "\r\n";

// Parses the bytes of a complete head.
HttpResponse response_to(const std::string& head) {
  ResponseReader reader;
  Bytes bytes = as_bytes(head);
  const Result<bool> complete = reader.feed(bytes);
  EXPECT_TRUE(complete.ok()) << complete.error().text();
  EXPECT_TRUE(*complete);
  EXPECT_TRUE(bytes.empty());
  return reader.response();
}

std::string head_error(const std::string& head) {
  ResponseReader reader;
  Bytes bytes = as_bytes(head);
  const Result<bool> complete = reader.feed(bytes);
  if (complete) return *complete ? "complete" : "incomplete";
  return complete.error().text();
}

TEST(ResponseReaderTest, ReadsAHead) {
  const HttpResponse response = response_to(kUpgrade);
  EXPECT_EQ(response.status, 101);
  EXPECT_EQ(response.status_line, "HTTP/1.1 101 Switching Protocols");
  EXPECT_EQ(response.headers, (Headers{{"Upgrade", "websocket"},
                                       {"connection", "upgrade"},
                                       {"Empty", ""},
                                       {"X-Padded", "two words"},
                                       {"channel-id", "caf\xc3\xa9\xff"}}));
}

TEST(ResponseReaderTest, DoesNotCareHowBytesWereSplit) {
  const HttpResponse whole = response_to(kUpgrade);
  for (size_t first = 0; first < kUpgrade.size(); ++first) {
    ResponseReader reader;
    Bytes start = as_bytes(kUpgrade).first(first);
    Result<bool> complete = reader.feed(start);
    ASSERT_TRUE(complete.ok());
    ASSERT_FALSE(*complete) << first;
    ASSERT_TRUE(start.empty());
    Bytes rest = as_bytes(kUpgrade).subspan(first);
    complete = reader.feed(rest);
    ASSERT_TRUE(complete.ok());
    ASSERT_TRUE(*complete) << first;
    ASSERT_EQ(reader.response().headers, whole.headers);
  }
}

TEST(ResponseReaderTest, LeavesWhatComesAfterTheHead) {
  const std::string received = "HTTP/1.1 403 Forbidden\r\n\r\nInvalid access token";
  ResponseReader reader;
  Bytes bytes = as_bytes(received);
  for (int i = 0; i < 2; ++i) {  // and goes on leaving it
    const Result<bool> complete = reader.feed(bytes);
    ASSERT_TRUE(complete.ok());
    EXPECT_TRUE(*complete);
    EXPECT_EQ(as_text(bytes), "Invalid access token");
  }
  EXPECT_EQ(reader.response().status, 403);
  EXPECT_TRUE(reader.response().headers.empty());
}

TEST(ResponseReaderTest, TakesTheStatusLinesOfRealServers) {
  for (const auto& [line, status] : std::vector<std::pair<std::string, int>>{
           {"HTTP/1.1 200 OK", 200},
           {"HTTP/1.0 200 Connection established", 200},
           {"HTTP/1.1 200 ", 200},
           {"HTTP/1.1 407", 407},
           {"HTTP/1.1 599 d\xe9j\xe0 vu", 599},
           {"HTTP/1.1 100 Continue", 100},
           {"HTTP/1.1 999 X", 999},
       }) {
    const HttpResponse response = response_to(line + "\r\n\r\n");
    EXPECT_EQ(response.status, status);
    EXPECT_EQ(response.status_line, line);
  }
}

class BadStatusLineTest : public testing::TestWithParam<std::string> {};

TEST_P(BadStatusLineTest, IsRefused) {
  EXPECT_EQ(head_error(GetParam() + "\r\n"), "not an HTTP/1.x response: \"" + GetParam() + "\"");
}

INSTANTIATE_TEST_SUITE_P(Lines, BadStatusLineTest,
                         testing::Values("", "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 20", "HTTP/1.1 2000",
                                         "HTTP/1.1 099 X", "HTTP/1.1 2x0 OK", "HTTP/1.1 -20 OK",
                                         "HTTP/1.1  200 OK", "HTTP/1.1\t200 OK", "HTTP/2 200 OK",
                                         "HTTP/2.0 200 OK", "HTTP/1.x 200 OK", "HTTP/1.10 200 OK",
                                         "http/1.1 200 OK", " HTTP/1.1 200 OK", "220 mail ESMTP",
                                         "SSH-2.0-OpenSSH_9.2"));

TEST(ResponseReaderTest, ShowsOnlyTheStartOfALongLine) {
  EXPECT_EQ(head_error(std::string(61, 'x') + "\r\n"),
            "not an HTTP/1.x response: \"" + std::string(60, 'x') + "...\"");
}

struct BadHead {
  const char* name;
  std::string after_status_line;
  std::string error;
};

class BadHeadTest : public testing::TestWithParam<BadHead> {};

TEST_P(BadHeadTest, IsRefused) {
  EXPECT_EQ(head_error("HTTP/1.1 200 OK\r\n" + GetParam().after_status_line), GetParam().error);
}

const std::string kBareEnd = "HTTP response with a bare CR or LF in its head";

const BadHead kBadHeads[] = {
    {"no_colon", "Header\r\n", "HTTP response with a line that is no header: \"Header\""},
    {"no_name", ": value\r\n", "HTTP response with a line that is no header: \": value\""},
    {"space_before_the_colon", "Name : x\r\n", "HTTP response with a line that is no header: \"Name : x\""},
    {"space_in_the_name", "A b: x\r\n", "HTTP response with a line that is no header: \"A b: x\""},
    {"name_beyond_ascii", "N\xc3\xa9: x\r\n",
     "HTTP response with a line that is no header: \"N\xc3\xa9: x\""},
    {"folded", "A: x\r\n y\r\n", "HTTP response with a folded header line"},
    {"folded_with_a_tab", "A: x\r\n\ty\r\n", "HTTP response with a folded header line"},
    {"folded_at_once", " A: x\r\n", "HTTP response with a folded header line"},
    {"bare_lf", "A: x\nB: y\r\n", kBareEnd},
    {"bare_lf_first", "\n", kBareEnd},
    {"bare_cr", "A: x\ry\r\n", kBareEnd},
    {"cr_cr_lf", "A: x\r\r\n", kBareEnd},
    {"nul", "A: x\0y\r\n"s, "HTTP response with control byte 0 in its head"},
    {"escape", "A: \x1b[2J\r\n", "HTTP response with control byte 27 in its head"},
    {"delete", "A: \x7f\r\n", "HTTP response with control byte 127 in its head"},
};

INSTANTIATE_TEST_SUITE_P(Cases, BadHeadTest, testing::ValuesIn(kBadHeads),
                         [](const auto& tested) { return tested.param.name; });

TEST(ResponseReaderTest, EndsALineOnlyAsHttpDoes) {
  EXPECT_EQ(head_error("HTTP/1.1 200 OK\n\n"), kBareEnd);
  EXPECT_EQ(head_error("\r"), "incomplete");
  EXPECT_EQ(head_error("HTTP/1.1 200 OK\r\n\r"), "incomplete");
}

TEST(ResponseReaderTest, TakesAHeadUpToTheLimit) {
  const std::string start = "HTTP/1.1 200 OK\r\nA: ";
  const std::string end = "\r\n\r\n";
  const std::string value(limits::kMaxResponseHead - start.size() - end.size(), 'x');
  const HttpResponse response = response_to(start + value + end);
  EXPECT_EQ(response.header("a").value_or("none").size(), value.size());
  EXPECT_EQ(head_error(start + value + "x" + end), "HTTP response with a head of more than 16384 bytes");
  EXPECT_EQ(head_error(start + std::string(1'000'000, 'x')),
            "HTTP response with a head of more than 16384 bytes");
}

TEST(HttpResponseTest, FindsHeadersIgnoringCase) {
  const HttpResponse response{.headers = {{"A", "1"}, {"b", "2"}, {"a", "3"}, {"Empty", ""}, {"AB", "4"}}};
  EXPECT_EQ(response.header("B"), "2");
  EXPECT_EQ(response.header("a"), "1, 3");
  EXPECT_EQ(response.header("empty"), "");
  EXPECT_EQ(response.header("none"), std::nullopt);
  EXPECT_EQ(response.header(""), std::nullopt);
}

TEST(HttpResponseTest, ShowsNoValueThatMayBeAToken) {
  HttpResponse response;
  response.headers = {
      {"channel-id", "c1"}, {"Set-Cookie", "awsiot-tunnel-token=AQGAAX"}, {"Access-Token", "AQ"}};
  EXPECT_EQ(response.shown_headers(), (std::vector<std::string>{"channel-id: c1", "Set-Cookie: (not shown)",
                                                                "Access-Token: (not shown)"}));
}

TEST(HttpResponseTest, FindsTokensInLists) {
  const HttpResponse response{.headers = {{"Connection", "keep-alive ,\tUpgrade"},
                                          {"connection", "close"},
                                          {"Upgrade", "websocket"}}};
  EXPECT_TRUE(response.header_has_token("connection", "upgrade"));
  EXPECT_TRUE(response.header_has_token("connection", "Keep-Alive"));
  EXPECT_TRUE(response.header_has_token("connection", "CLOSE"));
  EXPECT_TRUE(response.header_has_token("upgrade", "WebSocket"));
  EXPECT_FALSE(response.header_has_token("connection", "up"));
  EXPECT_FALSE(response.header_has_token("connection", "keep"));
  EXPECT_FALSE(response.header_has_token("none", "upgrade"));
}

TEST(ChunkedTest, JoinsTheChunks) {
  const DecodedBody whole = decode_chunked("4\r\nWiki\r\n6;a=b\r\npedia \r\nB\r\nin \r\nchunks\r\n0\r\n\r\n");
  EXPECT_EQ(whole.payload, "Wikipedia in \r\nchunks");
  EXPECT_TRUE(whole.complete);
}

TEST(ChunkedTest, TakesPartialInput) {
  const std::pair<const char*, const char*> parts[] = {
      {"", ""},
      {"4", ""},
      {"4\r", ""},
      {"4\r\nWi", "Wi"},
      {"4\r\nWiki\r\n6\r\nped", "Wikiped"},
      {"4\r\nWiki\r\n0", "Wiki"},
      {"x", ""},
      {"ffffffffffffffff\r\nWiki\r\n4\r\nmore\r\n", "Wiki\r\n4\r\nmore\r\n"}};
  for (const auto& [body, payload] : parts) {
    EXPECT_EQ(decode_chunked(body).payload, payload) << body;
    EXPECT_FALSE(decode_chunked(body).complete) << body;
  }
}

TEST(ChunkedTest, EndsAtTheLastChunkAndAtAnInvalidOne) {
  for (const char* body : {"x\r\nWiki\r\n", "-4\r\nWiki\r\n", "\r\n", "0\r\n", "0\r\n\r\n",
                           "000;x=y\r\nMore: x\r\n\r\n", "11111111111111111\r\nWiki\r\n"}) {
    EXPECT_EQ(decode_chunked(body).payload, "") << body;
    EXPECT_TRUE(decode_chunked(body).complete) << body;
  }
}

TEST(HttpResponseTest, RetryAfterIsAWholeNumberOfSecondsAndBounded) {
  const auto retry_after = [](const std::string& value) {
    return response_to("HTTP/1.1 429 Slow Down\r\nRetry-After: " + value + "\r\n\r\n").retry_after();
  };
  EXPECT_EQ(retry_after("0"), 0);
  EXPECT_EQ(retry_after("17"), 17);
  EXPECT_EQ(retry_after("300"), 300);
  EXPECT_EQ(retry_after("301"), 300);
  EXPECT_EQ(retry_after("18446744073709551615"), 300);
  EXPECT_EQ(retry_after("18446744073709551616"), 0);
  EXPECT_EQ(retry_after("-1"), 0);
  EXPECT_EQ(retry_after("1.5"), 0);
  EXPECT_EQ(retry_after("5, 5"), 0);
  EXPECT_EQ(retry_after("Fri, 31 Dec 1999 23:59:59 GMT"), 0);
  EXPECT_EQ(response_to("HTTP/1.1 429 Slow Down\r\n\r\n").retry_after(), 0);
}

TEST(Base64Test, MatchesTheRfc) {
  const std::pair<std::string, std::string> vectors[] = {
      {"", ""},
      {"f", "Zg=="},
      {"fo", "Zm8="},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"},
      {"\xfb\xff\xbf", "+/+/"},
      {"\x00\x10\x83"s, "ABCD"},
  };
  for (const auto& [plain, encoded] : vectors)
    EXPECT_EQ(base64(as_bytes(plain)), encoded);
}

TEST(Base64Test, MakesTheKeyAndTheAnswerOfTheWebSocketRfc) {
  EXPECT_EQ(base64(as_bytes("the sample nonce")), "dGhlIHNhbXBsZSBub25jZQ==");
  const uint8_t digest[] = {0xb3, 0x7a, 0x4f, 0x2c, 0xc0, 0x62, 0x4f, 0x16, 0x90, 0xf6,
                            0x46, 0x06, 0xcf, 0x38, 0x59, 0x45, 0xb2, 0xbe, 0xc4, 0xea};
  EXPECT_EQ(base64(digest), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

}  // namespace
}  // namespace localproxy::wire
