#include "config/config_file.h"

#include <gtest/gtest.h>

#include <string>

#include "build_config.h"
#include "tests/unit/config/support.h"

namespace localproxy::config {
namespace {

using namespace std::string_literals;
using test::error_of;
using test::TemporaryDirectory;

std::string text_of(const std::string& text) {
  const auto entries = parse_ini(text);
  if (!entries) return "error: " + entries.error().text();
  std::string all;
  for (const IniEntry& entry : *entries)
    all += std::to_string(entry.line) + "[" + std::string(entry.section) + "]" + std::string(entry.name) +
           "=" + std::string(entry.value) + ";";
  return all;
}

struct IniCase {
  std::string text;
  std::string parsed;
};

TEST(ParseIniTest, ReadsLines) {
  const IniCase kCases[] = {
      {"", ""},
      {"\n\n\n", ""},
      {"a=b", "1[]a=b;"},
      {"a = b\n", "1[]a=b;"},
      {"  a\t=  b c  \r\n", "1[]a=b c;"},
      {"a=b\r\nc=d\r\n", "1[]a=b;2[]c=d;"},
      {"# one\n; two\n   # three\na=b", "4[]a=b;"},
      {"a=b # c", "1[]a=b;"},
      {"a=b\t# c = d", "1[]a=b;"},
      {"a=b#c", "1[]a=b#c;"},
      {"a=b#c # d", "1[]a=b#c;"},
      {"a= # nothing", "1[]a=;"},
      {"a=", "1[]a=;"},
      {"a=b=c", "1[]a=b=c;"},
      {"a=\"b\"", "1[]a=\"b\";"},
      {"a=[::1]:22", "1[]a=[::1]:22;"},
      {"a=b;c", "1[]a=b;c;"},
      {"a=1\n[s]\nb=2\n[ t ] # x\nc=3", "1[]a=1;3[s]b=2;5[t]c=3;"},
      {"[s]\n[]\na=1", "3[]a=1;"},
      {"\xEF\xBB\xBF"
       "a=b",
       "1[]a=b;"},
      {"a:b=1\nSSH 1=2", "1[]a:b=1;2[]SSH 1=2;"},
      {"=b", "error: line 1: there is no name before '='"},
      {"a=b\nSECRET\n", "error: line 2: this is not 'name = value'"},
      {"\n\n[SECRET\n", "error: line 3: the heading lacks its closing bracket"},
      {"a=b\0c"s, "error: line 1: this is not a text file"},
      {"\x7f"
       "ELF\0\0"s,
       "error: line 1: this is not a text file"},
  };
  for (const IniCase& row : kCases)
    EXPECT_EQ(text_of(row.text), row.parsed);
}

TEST(ConfigFileTest, SaysWhatIsWrongAndWhere) {
  const TemporaryDirectory directory;
  const IniCase kCases[] = {
      {"nope = 1", "line 1: unrecognised option 'nope'"},
      {"\nt = SECRET", "line 2: unrecognised option 't'"},
      {"--region = a", "line 1: unrecognised option '--region'"},
      {"help = true", "line 1: unrecognised option 'help'"},
      {"version = true", "line 1: unrecognised option 'version'"},
      {"check = true", "line 1: unrecognised option 'check'"},
      {"config = x", "line 1: unrecognised option 'config'"},
      {"export-default-settings = x", "line 1: unrecognised option 'export-default-settings'"},
      {"[x]\nregion = a", "line 2: unrecognised option 'x.region'"},
      {"region = a\nregion = b", "line 2: region is not the first"},
      {"no-client-token = no\nno-client-token = no", "line 2: no-client-token is not the first"},
      {"access-token = SECRET\naccess-token = SECRET", "line 2: access-token is not the first"},
      {"region =", "line 1: region: the region is empty"},
      {"access-token =", "line 1: access-token: the access token is empty"},
      {"SECRET", "line 1: this is not 'name = value'"},
      {"access-token = SEC RET", "line 1: access-token: the access token has blanks in it"},
      {"source-listen-port = 70000", "line 1: source-listen-port '70000': '70000' is not a port number"},
      {"no-client-token = maybe", "line 1: no-client-token: the value is neither 'true' nor 'false'"},
      {"verbose = loud", "line 1: verbose 'loud': a level is a number"},
      {std::string(70'000, '#'), "there are more than 65536 bytes"},
  };
  for (const IniCase& row : kCases) {
    const std::string file = directory.write("options.ini", row.text);
    test::Words words = {"--config", file};
    if (row.text.find("access-token") == std::string::npos) words.insert(words.end(), {"-t", "x"});
    if (row.text.find("region") == std::string::npos) words.insert(words.end(), {"-r", "a"});
    if (row.text.find("source-listen-port") == std::string::npos) words.insert(words.end(), {"-s", "1"});
    const std::string error = error_of(words);
    EXPECT_NE(error.find("--config '" + file + "'"), std::string::npos) << error;
    EXPECT_NE(error.find(row.parsed), std::string::npos) << row.text << ": " << error;
    EXPECT_EQ(error.find("SEC"), std::string::npos) << error;
  }
  EXPECT_EQ(error_of({"--config", "/nonexistent"}), "--config '/nonexistent': No such file or directory");
  EXPECT_EQ(error_of({"--config", "/"}), "--config '/': Is a directory");
}

TEST(ConfigFileTest, TheExamplesOfTheReferenceWork) {
  const TemporaryDirectory directory;
  const auto first = test::config_of(
      {"--config",
       directory.write("config.ini",
                       "region = us-east-1\naccess-token = foobar\nsource-listen-port = 5000\n")});
  EXPECT_EQ(first.endpoint.host, "data.tunneling.iot.us-east-1.amazonaws.com");
  EXPECT_EQ(first.access_token.reveal(), "foobar");
  EXPECT_EQ(first.services[0].address.port, 5000);
  const auto second = test::config_of(
      {"--config",
       directory.write(
           "config.ini",
           "capath = /\nregion = us-west-2\nlocal-bind-address = ::1\nsource-listen-port = 6000\n"),
       "-t", "foobar"});
  EXPECT_EQ(second.ca_paths[0], "/");
  EXPECT_EQ(second.bind_address, "::1");
  EXPECT_EQ(second.services[0].address.port, 6000);
}

#if LOCALPROXY_ALLOW_NO_VERIFY
TEST(ConfigFileTest, FlagsAreTrueOrFalse) {
  const TemporaryDirectory directory;
  for (const char* word : {"true", "yes", "on", "1", "True", "YES"})
    EXPECT_FALSE(test::config_of(test::with_basics({"-s", "1", "--config",
                                                    directory.write("c", "no-ssl-host-verify = "s + word)}))
                     .verify_host);
  for (const char* word : {"false", "no", "off", "0"})
    EXPECT_TRUE(test::config_of(test::with_basics({"-s", "1", "--config",
                                                   directory.write("c", "no-ssl-host-verify = "s + word)}))
                    .verify_host);
}
#endif

}  // namespace
}  // namespace localproxy::config
