#include "config/web_proxy.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/config/support.h"

namespace localproxy::config {
namespace {

using namespace std::string_literals;
using test::config_of;
using test::error_of;
using test::Variables;

std::string text_of(const Result<WebProxy>& proxy) {
  if (!proxy) return "error: " + proxy.error().text();
  return proxy->scheme + " " + proxy->host + " " + std::to_string(proxy->port) + " " +
         std::string(proxy->credentials.reveal());
}

struct ProxyCase {
  std::string text;
  std::string parsed;
};

TEST(ParseWebProxyTest, TakesUrls) {
  const ProxyCase kCases[] = {
      {"http://proxy", "http proxy 3128 "},
      {"https://proxy", "https proxy 3128 "},
      {"HTTP://proxy", "http proxy 3128 "},
      {"http://proxy/", "http proxy 3128 "},
      {"http://proxy:8080", "http proxy 8080 "},
      {"http://proxy:443/", "http proxy 443 "},
      {"http://10.0.0.1:8080", "http 10.0.0.1 8080 "},
      {"http://[::1]", "http ::1 3128 "},
      {"http://[::1]:8080", "http ::1 8080 "},
      {"https://[2001:db8::1]:443", "https 2001:db8::1 443 "},
      {"proxy:8080", "http proxy 8080 "},
      {"[::1]:8080", "http ::1 8080 "},
      {"user:pass@proxy:8080", "http proxy 8080 user:pass"},
      {"http://user:pass@proxy:8080", "http proxy 8080 user:pass"},
      {"http://user@proxy", "http proxy 3128 user:"},
      {"http://user:@proxy", "http proxy 3128 user:"},
      {"http://:pass@proxy", "http proxy 3128 :pass"},
      {"http://user:p%40ss%3a%2F%25@proxy", "http proxy 3128 user:p@ss:/%"},
      {"http://user:a:b@proxy", "http proxy 3128 user:a:b"},
      {"http://user:a@b@proxy", "http proxy 3128 user:a@b"},
      {"http://user:%C3%A9@[::1]:1/", "http ::1 1 user:\xc3\xa9"},
  };
  for (const ProxyCase& row : kCases)
    EXPECT_EQ(text_of(parse_web_proxy(row.text)), row.parsed) << row.text;
}

TEST(ParseWebProxyTest, RefusesTheRestWithoutShowingIt) {
  const std::string not_a_url =
      "error: the proxy is neither a URL that begins with 'http://' or 'https://' nor HOST:PORT";
  const std::string scheme = "error: the proxy's URL begins with neither 'http://' nor 'https://'";
  const std::string host = "error: the proxy's URL does not end in HOST, HOST:PORT or [IPV6]:PORT";
  const std::string percent =
      "error: a '%' in the user name or the password lacks its two hexadecimal digits";
  const std::string control = "error: the user name or the password has a control character in it";
  const ProxyCase kCases[] = {
      {"", not_a_url},
      {"proxy", not_a_url},
      {"proxy:", not_a_url},
      {"proxy:80801", not_a_url},
      {"[::1]", not_a_url},
      {"user:SECRET", not_a_url},
      {":8080", host},
      {"http:/proxy", not_a_url},
      {"http:proxy", not_a_url},
      {"SECRET", not_a_url},
      {"://proxy", scheme},
      {"socks5://proxy", scheme},
      {" http://proxy", scheme},
      {"httpss://proxy", scheme},
      {"http://", host},
      {"http:///", host},
      {"http://:8080", host},
      {"http://proxy:", host},
      {"http://proxy:0", host},
      {"http://proxy:70000", host},
      {"http://proxy:8080x", host},
      {"http://proxy//", host},
      {"http://proxy/path", host},
      {"http://proxy?x", host},
      {"http://user:SECRET", host},
      {"http://user:SECRET@", host},
      {"http://::1", host},
      {"http://[::1", host},
      {"http://pro xy", host},
      {"http://proxy\r\nX: y", host},
      {"http://u%:p@proxy", percent},
      {"http://u%4:p@proxy", percent},
      {"http://u%4g:p@proxy", percent},
      {"http://u%+4:p@proxy", percent},
      {"http://u:SECRET%@proxy", percent},
      {"http://u:p%00@proxy", control},
      {"http://u:p%0d%0a@proxy", control},
      {"http://u:p\x7f@proxy", control},
      {"http://u:p\n@proxy", control},
      {"http://u%3av:p@proxy", "error: the user name has a colon in it"},
      {"http://u:" + std::string(600, 'p') + "@proxy", "error: the user name and the password are too long"},
      {"http://u:" + std::string(6000, 'p') + "@proxy", "error: the user name and the password are too long"},
  };
  for (const ProxyCase& row : kCases)
    EXPECT_EQ(text_of(parse_web_proxy(row.text)), row.parsed) << row.text;
}

TEST(NoProxyTest, Splits) {
  EXPECT_TRUE(parse_no_proxy("").empty());
  EXPECT_TRUE(parse_no_proxy(" , ,").empty());
  EXPECT_EQ(parse_no_proxy("a"), std::vector<std::string>{"a"});
  EXPECT_EQ(parse_no_proxy(" a,b c , d\t,e,"), (std::vector<std::string>{"a", "b", "c", "d", "e"}));
}

TEST(NoProxyTest, Matches) {
  struct Case {
    const char* host;
    const char* no_proxy;
    bool exempt;
  };
  constexpr Case kCases[] = {
      {"host.example.com", "", false},
      {"host.example.com", "*", true},
      {"host.example.com", "host.example.com", true},
      {"HOST.Example.com", "host.EXAMPLE.com", true},
      {"host.example.com", "example.com", true},
      {"host.example.com", ".example.com", true},
      {"example.com", ".example.com", true},
      {"host.example.com", "com", true},
      {"host.example.com.", "example.com", true},
      {"host.example.com", "example.com.", true},
      {"host.example.com", "ample.com", false},
      {"host.example.com", "host", false},
      {"host.example.com", "x.host.example.com", false},
      {"host.example.com", "other,example.com", true},
      {"host.example.com", "*.example.com", true},
      {"a.host.example.com", "*.example.com", true},
      {"example.com", "*.example.com", false},
      {"host.example.com", "*example.com", false},
      {"host.example.com", "*.", false},
      {"host.example.com", "example.com:443", true},
      {"host.example.com", ".example.com:443", true},
      {"host.example.com", "example.com:80", false},
      {"host.example.com", "example.com:", false},
      {"host.example.com", "example.com:x", false},
      {"host.example.com", "example.com:80,host.example.com:443", true},
      {"host.example.com", ":443", false},
      {"host.example.com", "0.0.0.0/0", false},
      {"host.example.com", ".", false},
      {"10.0.0.1", "10.0.0.1", true},
      {"10.0.0.1", "0.0.1", false},
      {"10.0.0.1", "1", false},
      {"10.0.0.1", "10.0.0.1:443", true},
      {"10.0.0.1", "10.0.0.1:444", false},
      {"10.0.0.1", "10.0.0.0/8", true},
      {"10.255.255.255", "10.0.0.0/8", true},
      {"11.0.0.0", "10.0.0.0/8", false},
      {"10.0.1.1", "10.0.0.1/23", true},
      {"10.0.2.1", "10.0.0.1/23", false},
      {"10.0.0.1", "10.0.0.1/32", true},
      {"10.0.0.2", "10.0.0.1/32", false},
      {"10.0.0.1", "0.0.0.0/0", true},
      {"10.0.0.1", "10.0.0.0/33", false},
      {"10.0.0.1", "10.0.0.0/", false},
      {"10.0.0.1", "10.0.0.0/8x", false},
      {"10.0.0.1", "10.0.0.0/-8", false},
      {"10.0.0.1", "/8", false},
      {"10.0.0.1", "host/8", false},
      {"10.0.0.1", "::/0", false},
      {"::1", "0.0.0.0/0", false},
      {"fd12::1", "fd00::/8", true},
      {"fe12::1", "fd00::/8", false},
      {"::1", "::1/128", true},
      {"::1", "0:0::0001", true},
      {"::1", "[::1]:443", true},
      {"::1", "[::1]:444", false},
      {"::1", "[::2]:443", false},
      {"::1", "::1:443", false},
      {"::1", "[]", false},
      {"::1", "::1", true},
      {"::1", "[::1]", true},
      {"::1", "1", false},
  };
  for (const Case& row : kCases)
    EXPECT_EQ(find_exemption({row.host, 443}, parse_no_proxy(row.no_proxy)) != nullptr, row.exempt)
        << row.host << " " << row.no_proxy;
}

Config with(const Variables& variables) {
  return config_of({"-t", "x", "-e", "host.example.com", "-s", "1"}, variables);
}

TEST(ProxyVariablesTest, LowerCaseWins) {
  EXPECT_FALSE(with({}).web_proxy.has_value());
  EXPECT_FALSE(with({{"https_proxy", ""}}).web_proxy.has_value());
  EXPECT_FALSE(with({{"http_proxy", "http://x"}, {"all_proxy", "http://x"}}).web_proxy.has_value());
  EXPECT_EQ(with({{"https_proxy", "http://a"}}).web_proxy->host, "a");
  EXPECT_EQ(with({{"HTTPS_PROXY", "http://b"}}).web_proxy->host, "b");
  EXPECT_EQ(with({{"https_proxy", "http://a"}, {"HTTPS_PROXY", "http://b"}}).web_proxy->host, "a");
  EXPECT_EQ(with({{"https_proxy", ""}, {"HTTPS_PROXY", "http://b"}}).web_proxy->host, "b");
  const Config full = with({{"https_proxy", "https://u:p@a:1"}, {"no_proxy", "other"}});
  EXPECT_EQ(full.web_proxy->scheme, "https");
  EXPECT_EQ(full.web_proxy->port, 1);
  EXPECT_EQ(full.web_proxy->credentials.reveal(), "u:p");
  EXPECT_EQ(full.no_proxy, std::vector<std::string>{"other"});
}

TEST(ProxyVariablesTest, NoProxyDisablesTheProxy) {
  EXPECT_FALSE(with({{"https_proxy", "http://a"}, {"no_proxy", "example.com"}}).web_proxy.has_value());
  EXPECT_FALSE(with({{"https_proxy", "http://a"}, {"NO_PROXY", "example.com"}}).web_proxy.has_value());
  EXPECT_TRUE(with({{"https_proxy", "http://a"}, {"no_proxy", "x"}, {"NO_PROXY", "example.com"}})
                  .web_proxy.has_value());
  EXPECT_EQ(with({{"https_proxy", "http://a"}, {"no_proxy", "x,.example.com"}}).exempted_by, ".example.com");
  EXPECT_EQ(with({{"https_proxy", "http://a"}, {"no_proxy", "x"}}).exempted_by, "");
  EXPECT_EQ(with({{"no_proxy", "example.com"}}).exempted_by, "") << "there is nothing to be exempt from";
  // What is not used is not looked at either.
  EXPECT_FALSE(with({{"https_proxy", "nonsense"}, {"no_proxy", "*"}}).web_proxy.has_value());
}

TEST(FirstHopTest, IsTheProxyIfThereIsOne) {
  EXPECT_EQ(first_hop(with({})).host, "host.example.com");
  EXPECT_EQ(first_hop(with({})).port, 443);
  EXPECT_EQ(first_hop(with({{"https_proxy", "http://a:1"}})).host, "a");
  EXPECT_EQ(first_hop(with({{"https_proxy", "http://a:1"}})).port, 1);
}

TEST(ProxyVariablesTest, ErrorsNameTheVariable) {
  EXPECT_EQ(error_of({"-t", "x", "-r", "a", "-s", "1"}, {{"HTTPS_PROXY", "SECRET"}}),
            "HTTPS_PROXY: the proxy is neither a URL that begins with 'http://' or 'https://' nor HOST:PORT");
  EXPECT_EQ(error_of({"-t", "x", "-r", "a", "-s", "1"}, {{"https_proxy", "SECRET"}}),
            "https_proxy: the proxy is neither a URL that begins with 'http://' or 'https://' nor HOST:PORT");
}

}  // namespace
}  // namespace localproxy::config
