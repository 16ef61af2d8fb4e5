#include "config/settings.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

#include "config/file.h"
#include "tests/unit/config/support.h"

namespace localproxy::config {
namespace {

using test::config_of;
using test::contains;
using test::error_of;
using test::printed_by;
using test::run_of;
using test::TemporaryDirectory;
using test::with_basics;

// {"tunneling": {"proxy": {"a": {"b": VALUE}}}} for "a.b".
std::string nested(const std::string& key, const std::string& value) {
  std::string before = R"({"tunneling":{"proxy":{")";
  std::string after = "}}}";
  for (const char byte : key) {
    if (byte != '.') {
      before.push_back(byte);
      continue;
    }
    before += "\":{\"";
    after.push_back('}');
  }
  return before + "\":" + value + after;
}

FineSettings good(const std::string& text) {
  Diagnostics diagnostics;
  auto fine = parse_settings(text, diagnostics);
  EXPECT_TRUE(fine.ok()) << text << ": " << fine.error().text();
  EXPECT_TRUE(diagnostics.all().empty()) << diagnostics.all().front().text;
  return fine.ok() ? *fine : FineSettings();
}

std::string error(const std::string& text) {
  Diagnostics diagnostics;
  const auto fine = parse_settings(text, diagnostics);
  return fine ? "no error" : fine.error().text();
}

Diagnostics notes_of(const std::string& text) {
  Diagnostics diagnostics;
  const auto fine = parse_settings(text, diagnostics);
  EXPECT_TRUE(fine.ok()) << text << ": " << fine.error().text();
  return diagnostics;
}

std::vector<std::string> warnings_of(const std::string& text) {
  return test::warnings_of(notes_of(text));
}

std::vector<std::string> debug_of(const std::string& text) {
  EXPECT_TRUE(warnings_of(text).empty()) << warnings_of(text).front();
  return test::texts_of(notes_of(text), LogLevel::kDebug);
}

TEST(SettingsTest, ReadsNumbersAndStringsOfNumbers) {
  for (const std::string& quote : {std::string(), std::string("\"")}) {
    const auto number = [&](const std::string& text) {
      return std::string(quote).append(text).append(quote);
    };
    EXPECT_EQ(good(nested("tcp.connection_retry_count", number("7"))).settings.connect_tries, 7);
    EXPECT_EQ(good(nested("tcp.connection_retry_count", number("-1"))).settings.connect_tries, -1);
    EXPECT_EQ(good(nested("tcp.connection_retry_count", number("0"))).settings.connect_tries, 1);
    EXPECT_EQ(good(nested("tcp.connection_retry_delay_ms", number("0"))).settings.connect_retry_delay.count(),
              0);
    EXPECT_EQ(good(nested("tcp.connection_retry_delay_ms", number("1"))).settings.connect_retry_delay.count(),
              1);
    EXPECT_EQ(good(nested("tcp.max_active_connections", number("1"))).settings.max_connections, 1u);
    EXPECT_EQ(good(nested("tcp.max_active_connections", number("16384"))).settings.max_connections, 16384u);
    EXPECT_EQ(good(nested("tcp.stall_timeout_ms", number("0"))).settings.stall_timeout_ms, 0U);
    EXPECT_EQ(good(nested("tcp.stall_timeout_ms", number("86400000"))).settings.stall_timeout_ms,
              86'400'000U);
    EXPECT_EQ(good(nested("websocket.ping_period_ms", number("20000"))).settings.ping_period.count(), 20000);
    EXPECT_EQ(good(nested("websocket.retry_delay_ms", number("100"))).settings.backoff_first.count(), 100);
    EXPECT_EQ(good(nested("websocket.connect_retry_count", number("0"))).settings.reconnect_tries, 0);
    EXPECT_EQ(good(nested("websocket.connect_retry_count", number("-1"))).settings.reconnect_tries, -1);
    EXPECT_FALSE(
        good(nested("websocket.reconnect_on_data_error", number("false"))).settings.reconnect_on_data_error);
    EXPECT_TRUE(
        good(nested("websocket.reconnect_on_data_error", number("true"))).settings.reconnect_on_data_error);
  }
  for (const char* version : {"1.0", "2.0", "3.0"}) {
    const std::string text = std::string("aws.iot.securetunneling-") + version;
    EXPECT_EQ(good(nested("websocket.subprotocol", "\"" + text + "\"")).settings.subprotocol, text);
  }
  EXPECT_EQ(good(nested("default_bind_address", "\"0.0.0.0\"")).default_bind_address, "0.0.0.0");
  EXPECT_EQ(good("{}").settings.connect_tries, 5);
  EXPECT_EQ(good(R"({"tunneling": {}})").settings.connect_tries, 5);
}

struct SettingCase {
  const char* key;
  const char* value;
};

TEST(SettingsTest, RefusesInvalidValues) {
  constexpr SettingCase kCases[] = {
      {"tcp.connection_retry_count", "-2"},
      {"tcp.connection_retry_count", "\"\""},
      {"tcp.connection_retry_count", "\" 5\""},
      {"tcp.connection_retry_count", "\"5x\""},
      {"tcp.connection_retry_count", "\"+5\""},
      {"tcp.connection_retry_count", "5.5"},
      {"tcp.connection_retry_count", "5e0"},
      {"tcp.connection_retry_count", "true"},
      {"tcp.connection_retry_count", "null"},
      {"tcp.connection_retry_count", "[5]"},
      {"tcp.connection_retry_count", "{\"a\": 5}"},
      {"tcp.connection_retry_count", "99999999999"},
      {"tcp.connection_retry_count", "99999999999999999999999999"},
      {"tcp.connection_retry_count", "18446744073709551615"},
      {"tcp.connection_retry_delay_ms", "-1"},
      {"tcp.max_active_connections", "0"},
      {"tcp.max_active_connections", "16385"},
      {"tcp.stall_timeout_ms", "-1"},
      {"tcp.stall_timeout_ms", "86400001"},
      {"websocket.ping_period_ms", "0"},
      {"websocket.ping_period_ms", "99"},
      {"websocket.retry_delay_ms", "0"},
      {"websocket.retry_delay_ms", "60001"},
      {"websocket.connect_retry_count", "-2"},
      {"websocket.reconnect_on_data_error", "1"},
      {"websocket.reconnect_on_data_error", "\"yes\""},
      {"websocket.reconnect_on_data_error", "\"True\""},
      {"websocket.subprotocol", "\"aws.iot.securetunneling-4.0\""},
      {"websocket.subprotocol", "\"\""},
      {"websocket.subprotocol", "3"},
      {"default_bind_address", "\"a b\""},
      {"default_bind_address", "\"\""},
      {"endpoint_format", "\"data.example\""},
      {"endpoint_format", "\"%s.%s.example\""},
      {"endpoint_format", "\"%s.%d.example\""},
      {"endpoint_format", "\"%d.example\""},
      {"endpoint_format", "\"wss://%s.example\""},
      {"endpoint_format", "\"%s example\""},
      {"region_endpoint_overrides.us-east-1", "\"\""},
      {"region_endpoint_overrides.us-east-1", "\"wss://x\""},
      {"region_endpoint_overrides.us-east-1", "\"x:0\""},
      {"region_endpoint_overrides.US", "\"x\""},
      {"region_endpoint_overrides.us-east-1", "{}"},
      {"message.max_size", "{}"},
      {"message.max_size", "null"},
  };
  for (const SettingCase& row : kCases) {
    const std::string text = error(nested(row.key, row.value));
    EXPECT_EQ(text.rfind(std::string("tunneling.proxy.") + row.key + ": ", 0), 0u)
        << row.key << " " << row.value << " " << text;
  }
}

TEST(SettingsTest, RefusesWhatIsNotAnObject) {
  for (const char* text : {"", " ", "{", "}", "nonsense", "{} {}", "{\"a\"}", "{'a': 1}", "{\"a\": 1,}",
                           "\xff\xfe", "{\"\xff\": 1}", "// x\n{}"})
    EXPECT_EQ(error(text).rfind("this is not JSON: ", 0), 0u) << text << ": " << error(text);
  for (const char* text : {"[]", "1", "null", "\"x\""})
    EXPECT_EQ(error(text), "the file is not a JSON object");
  EXPECT_EQ(error(R"({"tunneling": 1})"), "tunneling is not a JSON object");
  EXPECT_EQ(error(R"({"tunneling": {"proxy": []}})"), "tunneling.proxy is not a JSON object");
  EXPECT_EQ(error(nested("tcp", "null")), "tunneling.proxy.tcp is not a JSON object");
  EXPECT_EQ(error(nested("region_endpoint_overrides", "1")),
            "tunneling.proxy.region_endpoint_overrides is not a JSON object");
}

TEST(SettingsTest, SurvivesDeepNesting) {
  const std::string open(100'000, '[');
  EXPECT_EQ(error(open).rfind("this is not JSON: ", 0), 0u);
  EXPECT_EQ(error(open + std::string(100'000, ']')), "the file is not a JSON object");
}

TEST(SettingsTest, ReportsUnknownSettings) {
  for (const char* key :
       {"nope", "tcp.nope", "websocket.ping_period", "message.may_payload_size", "tcp.a.b"}) {
    const auto warnings = warnings_of(nested(key, "1"));
    ASSERT_EQ(warnings.size(), 1u) << key;
    EXPECT_NE(warnings[0].find("is not known and ignored"), std::string::npos);
  }
  EXPECT_TRUE(contains(warnings_of(R"({"other": {"tunneling": 1}})"), "'other'"));
  EXPECT_TRUE(contains(warnings_of(R"({"tunneling": {"\u001b[31m": 1}})"), "\\x1b[31m"));
}

TEST(SettingsTest, ReportsFixedSettings) {
  EXPECT_TRUE(notes_of(nested("message.max_payload_size", "64512")).all().empty());
  EXPECT_TRUE(notes_of(nested("message.max_payload_size", "\"64512\"")).all().empty());
  for (const char* value : {"1024", "\"1024\"", "\"x\"", "true"})
    EXPECT_TRUE(contains(debug_of(nested("message.max_payload_size", value)),
                         "tunneling.proxy.message.max_payload_size is always 64512 here"));
  EXPECT_TRUE(contains(debug_of(nested("tcp.read_buffer_size", "1")), "always 131076"));
}

// As the reference exports them: every value a string.
TEST(SettingsTest, TheReferencesFileLoadsWithoutADiagnostic) {
  const std::string text = R"({"tunneling": {"proxy": {
      "default_bind_address": "localhost",
      "message": {"data_length_size": "2", "data_frame_max_size": "65538", "max_payload_size": "64512",
                  "max_size": "65536"},
      "tcp": {"connection_retry_count": "5", "connection_retry_delay_ms": "2500", "read_buffer_size": "131076",
              "max_active_connections": "128"},
      "websocket": {"ping_period_ms": "5000", "retry_delay_ms": "2500", "connect_retry_count": "-1",
                    "reconnect_on_data_error": "true", "subprotocol": "aws.iot.securetunneling-3.0",
                    "max_frame_size": "131076", "write_buffer_size": "131076", "read_buffer_size": "131076"},
      "region_endpoint_overrides": {
          "cn-north-1": "data.tunneling.iot.cn-north-1.amazonaws.com.cn",
          "cn-northwest-1": "data.tunneling.iot.cn-northwest-1.amazonaws.com.cn"}}}})";
  EXPECT_EQ(good(text).settings.max_connections, 128u);  // good() expects no diagnostic of any level
}

TEST(SettingsTest, OverridesRegions) {
  const FineSettings fine = good(R"({"tunneling": {"proxy": {
      "endpoint_format": "%s.tunnel.example:8443",
      "region_endpoint_overrides": {"us-east-1": "east.example", "cn-north-1": "north.example:444"}}}})");
  const auto endpoint = [&](const std::string& region) {
    const auto found = region_endpoint(fine, region);
    return found->host + " " + std::to_string(found->port);
  };
  EXPECT_EQ(endpoint("us-east-1"), "east.example 443");
  EXPECT_EQ(endpoint("cn-north-1"), "north.example 444");
  EXPECT_EQ(endpoint("cn-northwest-1"), "data.tunneling.iot.cn-northwest-1.amazonaws.com.cn 443");
  EXPECT_EQ(endpoint("cn-south-1"), "cn-south-1.tunnel.example 8443");
  EXPECT_EQ(endpoint("eu-west-1"), "eu-west-1.tunnel.example 8443");
}

TEST(SettingsTest, TheExportedDefaultsAreTheDefaults) {
  const std::string text = printed_by({"--export-default-settings", "-"});
  EXPECT_EQ(text, default_settings_text());
  const FineSettings fine = good(text);
  const FineSettings defaults;
  EXPECT_EQ(fine.settings.connect_tries, defaults.settings.connect_tries);
  EXPECT_EQ(fine.settings.ping_period, defaults.settings.ping_period);
  EXPECT_EQ(fine.settings.subprotocol, defaults.settings.subprotocol);
  EXPECT_EQ(fine.endpoint_format, defaults.endpoint_format);
  EXPECT_EQ(region_endpoint(fine, "cn-north-1")->host, region_endpoint(defaults, "cn-north-1")->host);

  const auto proxy = nlohmann::json::parse(text)["tunneling"]["proxy"];
  EXPECT_EQ(proxy["default_bind_address"], "localhost");
  EXPECT_EQ(proxy["message"]["data_length_size"], 2);
  EXPECT_EQ(proxy["message"]["data_frame_max_size"], 65538);
  EXPECT_EQ(proxy["message"]["max_size"], 65536);
  EXPECT_EQ(proxy["message"]["max_payload_size"], 64512);
  EXPECT_EQ(proxy["tcp"]["connection_retry_count"], 5);
  EXPECT_EQ(proxy["tcp"]["connection_retry_delay_ms"], 2500);
  EXPECT_EQ(proxy["tcp"]["read_buffer_size"], 131076);
  EXPECT_EQ(proxy["tcp"]["max_active_connections"], 128);
  EXPECT_EQ(proxy["tcp"]["stall_timeout_ms"], 10'000);
  EXPECT_EQ(proxy["websocket"]["ping_period_ms"], 5000);
  EXPECT_EQ(proxy["websocket"]["retry_delay_ms"], 2500);
  EXPECT_EQ(proxy["websocket"]["connect_retry_count"], -1);
  EXPECT_EQ(proxy["websocket"]["reconnect_on_data_error"], true);
  EXPECT_EQ(proxy["websocket"]["subprotocol"], "aws.iot.securetunneling-3.0");
  EXPECT_EQ(proxy["websocket"]["max_frame_size"], 131076);
  EXPECT_EQ(proxy["endpoint_format"], "data.tunneling.iot.%s.amazonaws.com");
  EXPECT_EQ(proxy["region_endpoint_overrides"]["cn-north-1"],
            "data.tunneling.iot.cn-north-1.amazonaws.com.cn");
}

TEST(SettingsTest, ExportsToAFileAndReadsItBack) {
  const TemporaryDirectory directory;
  const std::string file = directory.path("settings.json");
  // Nothing else is needed or looked at.
  EXPECT_EQ(printed_by({"--export-default-settings", file}), "");
  EXPECT_EQ(printed_by({"--export-default-settings", file, "-s", "nonsense", "--config", "/nonexistent"}),
            "");
  const auto content = read_file(file, 65'536, file);
  ASSERT_TRUE(content.ok());
  EXPECT_EQ(content->reveal(), default_settings_text());
  const auto run = run_of(with_basics({"-i", test::kClientToken, "-s", "1", "--settings-json", file}));
  EXPECT_EQ(run.diagnostics.all().size(), 1u) << "that of the token alone";

  EXPECT_EQ(error_of({"--export-default-settings", "/nonexistent/x"}),
            "--export-default-settings: cannot write '/nonexistent/x': No such file or directory");
  EXPECT_EQ(error_of({"--export-default-settings", "/dev/full"}),
            "--export-default-settings: cannot write '/dev/full': write: No space left on device");
}

TEST(SettingsTest, FilesAreNamedInErrorsAndWarnings) {
  const TemporaryDirectory directory;
  const std::string file = directory.write("s.json", R"({"nope": 1})");
  EXPECT_TRUE(
      contains(test::warnings_of(run_of(with_basics({"-s", "1", "--settings-json", file})).diagnostics),
               "--settings-json '" + file + "': the setting 'nope' is not known and ignored"));
  directory.write("s.json", nested("tcp.max_active_connections", "0"));
  EXPECT_EQ(error_of(with_basics({"-s", "1", "--settings-json", file})),
            "--settings-json '" + file +
                "': tunneling.proxy.tcp.max_active_connections: '0' is not a number from 1 to 16384");
  EXPECT_EQ(error_of(with_basics({"-s", "1", "--settings-json", "/nonexistent"})),
            "--settings-json '/nonexistent': No such file or directory");
  directory.write("s.json", nested("tcp.max_active_connections", "7"));
  EXPECT_EQ(config_of(with_basics({"-s", "1", "--settings-json", file})).settings.max_connections, 7u);
}

}  // namespace
}  // namespace localproxy::config
