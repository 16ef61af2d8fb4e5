#include "config/describe.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/config/support.h"

namespace localproxy::config {
namespace {

using test::config_of;
using test::kClientToken;
using test::kToken;
using test::with_basics;

TEST(DescribeTest, SaysWhatWouldBeDone) {
  const std::string source = describe(config_of(with_basics({"-s", "SSH1=5555,DB=0", "-b", "::1"})));
  for (const char* line :
       {"mode: source\n", "endpoint: data.tunneling.iot.us-east-1.amazonaws.com, port 443\n",
        "service SSH1: port 5555\n", "service DB: a free port\n", "listens on: ::1\n", "reached: directly\n",
        "verifies the service: yes, as data.tunneling.iot.us-east-1.amazonaws.com\n",
        "reconnects: forever, first after 2500 ms, also after a protocol error\n",
        "the destination speaks: version 3\n", "closes idle connections: never\n", "log level: 4 (info)\n"})
    EXPECT_NE(source.find(line), std::string::npos) << line;
  const std::string destination = describe(config_of(with_basics({"-d", "10.0.0.1:22"})));
  for (const char* line : {"mode: destination\n", "the only service: 10.0.0.1, port 22\n"})
    EXPECT_NE(destination.find(line), std::string::npos) << line;
}

TEST(DescribeTest, SaysHowTheServiceIsReached) {
  struct Case {
    const char* proxy;
    const char* no_proxy;
    const char* line;
  };
  constexpr Case kCases[] = {
      {"http://a", "", "reached: through the web proxy http://a:3128\n"},
      {"https://[::1]:1", "", "reached: through the web proxy https://[::1]:1\n"},
      {"http://u:SECRET@a", "", "reached: through the web proxy http://a:3128, with a password\n"},
      {"http://u@a", "", "reached: through the web proxy http://a:3128, with a user name\n"},
      {"http://a", "x,.amazonaws.com", "reached: directly, because no_proxy has '.amazonaws.com'\n"},
  };
  for (const Case& row : kCases) {
    const std::string text = describe(
        config_of(with_basics({"-s", "1"}), {{"https_proxy", row.proxy}, {"no_proxy", row.no_proxy}}));
    EXPECT_NE(text.find(row.line), std::string::npos) << text;
    EXPECT_EQ(text.find("SECRET"), std::string::npos);
  }
}

TEST(DescribeTest, ShowsNoToken) {
  const std::string text = describe(config_of(with_basics({"-s", "1", "-i", kClientToken})));
  EXPECT_EQ(text.find(kToken), std::string::npos);
  EXPECT_EQ(text.find(kClientToken), std::string::npos);
  EXPECT_NE(
      text.find(
          "access token: 25 characters (--access-token)\nclient token: 36 characters (--client-token)\n"),
      std::string::npos);
}

}  // namespace
}  // namespace localproxy::config
