#include "wire/http_request.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/limits.h"
#include "base/secret.h"
#include "tests/unit/base/freed_memory.h"

namespace localproxy::wire {
namespace {

using namespace std::string_literals;

constexpr std::string_view kAccessToken = "AQGAAXgaccesstokenthatislongenoughfortheheap";
constexpr std::string_view kClientToken = "5f0ab0f6-2b1d-4d0c-9f7e-000000000001";

UpgradeRequest plain_request() {
  return {.host = "data.tunneling.iot.eu-west-1.amazonaws.com",
          .port = "443",
          .mode = "source",
          .key = "dGhlIHNhbXBsZSBub25jZQ==",
          .subprotocol = "aws.iot.securetunneling-3.0",
          .access_token = kAccessToken,
          .client_token = "",
          .user_agent = "localproxy/0.1.0 (Linux)"};
}

std::string build_error(const UpgradeRequest& request) {
  const Result<std::string> built = build_upgrade_request(request);
  return built ? "no error" : built.error().text();
}

TEST(UpgradeRequestTest, IsWhatTheServiceExpects) {
  const Result<std::string> built = build_upgrade_request(plain_request());
  ASSERT_TRUE(built.ok());
  EXPECT_EQ(*built,
            "GET /tunnel?local-proxy-mode=source HTTP/1.1\r\n"
            "Host: data.tunneling.iot.eu-west-1.amazonaws.com\r\n"
            "Upgrade: websocket\r\n"
            "Connection: upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: aws.iot.securetunneling-3.0\r\n"
            "access-token: AQGAAXgaccesstokenthatislongenoughfortheheap\r\n"
            "User-Agent: localproxy/0.1.0 (Linux)\r\n"
            "\r\n");
}

TEST(UpgradeRequestTest, HasAClientTokenAndAPortIfGiven) {
  UpgradeRequest request = plain_request();
  request.host = "[::1]";
  request.port = "8443";
  request.mode = "destination";
  request.client_token = kClientToken;
  const Result<std::string> built = build_upgrade_request(request);
  ASSERT_TRUE(built.ok());
  EXPECT_NE(built->find("GET /tunnel?local-proxy-mode=destination HTTP/1.1\r\nHost: [::1]:8443\r\n"),
            std::string::npos);
  EXPECT_NE(built->find("heheap\r\nclient-token: " + std::string(kClientToken) + "\r\nUser-Agent: "),
            std::string::npos);
}

struct FieldCase {
  const char* name;  // as in the error
  std::string_view UpgradeRequest::*field;
  std::string allowed;    // bytes that other fields may not have
  std::string forbidden;  // visible ASCII that this one may not have
  bool may_be_empty;
};

class UpgradeFieldTest : public testing::TestWithParam<FieldCase> {};

TEST_P(UpgradeFieldTest, HasOnlyBytesThatDoNotBreakItsLine) {
  const FieldCase& tested = GetParam();
  for (int byte = 0; byte < 256; ++byte) {
    const auto c = static_cast<char>(byte);
    const bool visible = byte > 0x20 && byte < 0x7f;
    const bool good = (visible && tested.forbidden.find(c) == std::string::npos) ||
                      tested.allowed.find(c) != std::string::npos;
    UpgradeRequest request = plain_request();
    const std::string value = "ab"s + c + "d";
    request.*tested.field = value;
    const std::string bad =
        std::string(tested.name) + " has a byte that a request cannot carry, at position 3";
    EXPECT_EQ(build_error(request), good ? "no error" : bad) << byte;
  }
}

TEST_P(UpgradeFieldTest, IsNotEmpty) {
  UpgradeRequest request = plain_request();
  request.*GetParam().field = "";
  EXPECT_EQ(build_error(request),
            GetParam().may_be_empty ? "no error"s : std::string(GetParam().name) + " is empty");
}

const FieldCase kFields[] = {
    {"host name", &UpgradeRequest::host, "", "", false},
    {"port", &UpgradeRequest::port, "", "", false},
    {"mode", &UpgradeRequest::mode, "", "&#", false},
    {"WebSocket key", &UpgradeRequest::key, "", "", false},
    {"subprotocol", &UpgradeRequest::subprotocol, "", "", false},
    {"access token", &UpgradeRequest::access_token, "", ",", false},
    {"client token", &UpgradeRequest::client_token, "", ",", true},
    {"user agent", &UpgradeRequest::user_agent, " ", "", false},
};

INSTANTIATE_TEST_SUITE_P(Fields, UpgradeFieldTest, testing::ValuesIn(kFields), [](const auto& tested) {
  std::string name = tested.param.name;
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
});

TEST(UpgradeRequestTest, ReportsTheFirstOfManyErrors) {
  UpgradeRequest request = plain_request();
  request.host = "a b";
  request.access_token = "c d";
  EXPECT_EQ(build_error(request), "host name has a byte that a request cannot carry, at position 2");
}

TEST(UpgradeRequestTest, IsAsLongAsTheServiceAllows) {
  UpgradeRequest request = plain_request();
  const size_t without = build_upgrade_request(request)->size() - kAccessToken.size();
  const std::string fits(limits::kMaxUpgradeRequest - without, 't');
  request.access_token = fits;
  const Result<std::string> longest = build_upgrade_request(request);
  ASSERT_TRUE(longest.ok());
  EXPECT_EQ(longest->size(), limits::kMaxUpgradeRequest);
  const std::string too_long = fits + "t";
  request.access_token = too_long;
  EXPECT_EQ(build_error(request), "upgrade request of more than 4096 bytes");
  const std::string far_too_long(1'000'000, 't');
  request.access_token = far_too_long;
  EXPECT_EQ(build_error(request), "upgrade request of more than 4096 bytes");
}

TEST(UpgradeRequestTest, LeavesNoTokenBehind) {
  for (const std::string_view token : {kAccessToken, kClientToken}) {
    test::FreedMemory freed(token);
    UpgradeRequest request = plain_request();
    request.client_token = kClientToken;
    const std::string grows(2000, 'u');  // long enough that a string without reserved room would move
    request.user_agent = grows;
    {
      Result<std::string> built = build_upgrade_request(request);
      ASSERT_TRUE(built.ok());
      EXPECT_NE(built->find(token), std::string::npos);
      wipe(*built);
    }
    EXPECT_EQ(freed.blocks_with_marker(), 0U);
    request.user_agent = "a\nb";
    EXPECT_EQ(build_error(request), "user agent has a byte that a request cannot carry, at position 2");
    EXPECT_EQ(freed.blocks_with_marker(), 0U);
    const std::string too_long(4096, 'u');
    request.user_agent = too_long;
    EXPECT_EQ(build_error(request), "upgrade request of more than 4096 bytes");
    EXPECT_EQ(freed.blocks_with_marker(), 0U);
    { const Result<std::string> forgotten = build_upgrade_request(plain_request()); }
    EXPECT_EQ(freed.blocks_with_marker(), token == kAccessToken ? 1U : 0U) << "unwiped memory is detected";
  }
}

constexpr std::string_view kAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
constexpr std::string_view kSubprotocol = "aws.iot.securetunneling-3.0";

// A good response, with one header given another value, or none.
std::string verdict(const std::string& name, std::optional<std::string> value) {
  HttpResponse response{.status = 101, .status_line = "HTTP/1.1 101 Switching Protocols"};
  const std::pair<std::string, std::string> good[] = {{"upgrade", "WebSocket"},
                                                      {"connection", "Keep-Alive, Upgrade"},
                                                      {"sec-websocket-accept", std::string(kAccept)},
                                                      {"sec-websocket-protocol", std::string(kSubprotocol)}};
  for (const auto& header : good) {
    if (header.first != name) response.headers.push_back(header);
  }
  if (value) response.headers.emplace_back(name, *value);
  const Result<> checked = check_upgrade_response(response, kAccept, kSubprotocol);
  return checked ? "good" : checked.error().text();
}

TEST(UpgradeResponseTest, IsGood) {
  EXPECT_EQ(verdict("channel-id", "1234"), "good");
  EXPECT_EQ(verdict("sec-websocket-extensions", ""), "good");
}

TEST(UpgradeResponseTest, IsNotAnUpgradeToWebSocket) {
  EXPECT_EQ(verdict("upgrade", std::nullopt), "upgrade response without Upgrade: websocket");
  EXPECT_EQ(verdict("upgrade", "h2c"), "upgrade response without Upgrade: websocket");
  EXPECT_EQ(verdict("connection", std::nullopt), "upgrade response without Connection: upgrade");
  EXPECT_EQ(verdict("connection", "close"), "upgrade response without Connection: upgrade");
}

TEST(UpgradeResponseTest, IsAnAnswerToAnotherKey) {
  const std::string wrong = "upgrade response whose Sec-WebSocket-Accept is not that of our key";
  EXPECT_EQ(verdict("sec-websocket-accept", std::nullopt), "upgrade response without Sec-WebSocket-Accept");
  EXPECT_EQ(verdict("sec-websocket-accept", "S3pPLMBiTxaQ9kYGzzhZRbK+xOo="), wrong);
  EXPECT_EQ(verdict("sec-websocket-accept", ""), wrong);
  const std::string twice = std::string(kAccept) + ", " + std::string(kAccept);
  EXPECT_EQ(verdict("sec-websocket-accept", twice), wrong);
}

TEST(UpgradeResponseTest, IsForAnotherSubprotocol) {
  EXPECT_EQ(verdict("sec-websocket-protocol", std::nullopt),
            "upgrade response without a subprotocol; asked for aws.iot.securetunneling-3.0");
  EXPECT_EQ(verdict("sec-websocket-protocol", "aws.iot.securetunneling-2.0"),
            "upgrade response with subprotocol aws.iot.securetunneling-2.0; "
            "asked for aws.iot.securetunneling-3.0");
  EXPECT_NE(verdict("sec-websocket-protocol", "AWS.iot.securetunneling-3.0"), "good");
}

TEST(UpgradeResponseTest, HasAnExtension) {
  EXPECT_EQ(verdict("sec-websocket-extensions", "permessage-deflate"),
            "upgrade response with extension permessage-deflate, which was not offered");
}

TEST(ConnectRequestTest, MatchesTheRfc) {
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

}  // namespace
}  // namespace localproxy::wire
