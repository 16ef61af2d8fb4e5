// Which place wins when several set the same option.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>

#include "tests/unit/config/support.h"

namespace localproxy::config {
namespace {

using test::config_of;
using test::contains;
using test::error_of;
using test::kClientToken;
using test::kToken;
using test::run_of;
using test::TemporaryDirectory;
using test::Variables;
using test::Words;

constexpr const char* kOtherClientToken = "ffffffff-89ab-cdef-0123-456789abcdef";

// A configuration that is complete except for the option under test.
class PrecedenceTest : public ::testing::Test {
 protected:
  std::string file(const std::string& content) const { return directory_.write("options.ini", content); }
  std::string token_file(const std::string& token) const { return directory_.write("token", token + "\n"); }
  // The environment with a systemd credential.
  Variables credential(const std::string& token) const {
    directory_.write("credentials/access-token", token);
    return {{"CREDENTIALS_DIRECTORY", directory_.path("credentials")}};
  }

  TemporaryDirectory directory_{TemporaryDirectory::Enter::kYes};
};

std::string token_of(Words words, const Variables& variables) {
  words.insert(words.end(), {"-r", "a", "-s", "1"});
  return std::string(config_of(words, variables).access_token.reveal());
}

TEST_F(PrecedenceTest, OfTheAccessToken) {
  Variables all = credential("of-systemd");
  EXPECT_EQ(token_of({}, all), "of-systemd");
  all["AWSIOT_TUNNEL_ACCESS_TOKEN"] = "of-environment";
  EXPECT_EQ(token_of({}, all), "of-environment");
  const std::string config = file("access-token = of-config\n");
  EXPECT_EQ(token_of({"--config", config}, all), "of-config");
  const std::string token = token_file("of-file");
  EXPECT_EQ(token_of({"--config", config, "--access-token-file", token}, all), "of-file");
  EXPECT_EQ(token_of({"--config", config, "--access-token-file", token, "-t", "of-argv"}, all), "of-argv");
  EXPECT_EQ(token_of({"--config", config, "-t", "of-argv"}, all), "of-argv");

  const std::string with_file = file("access-token-file = " + token + "\n");
  EXPECT_EQ(token_of({"--config", with_file}, all), "of-file");
  EXPECT_EQ(token_of({"--config", with_file, "-t", "of-argv"}, all), "of-argv");
  const std::string with_both = file("access-token-file = " + token + "\naccess-token = of-config\n");
  EXPECT_EQ(token_of({"--config", with_both}, all), "of-config");
}

TEST_F(PrecedenceTest, OfTokenFilesOnlyTheOneThatWasUsedIsKept) {
  const std::string token = token_file("of-file");
  const Words rest = {"-r", "a", "-s", "1"};
  const Variables systemd = credential("of-systemd");
  EXPECT_EQ(config_of({"--access-token-file", token, "-r", "a", "-s", "1"}).access_token_file, token);
  EXPECT_EQ(config_of(rest, systemd).access_token_file, directory_.path("credentials/access-token"));
  EXPECT_EQ(config_of({"-t", "x", "-r", "a", "-s", "1"}, systemd).access_token_file, "");
  const auto both = run_of({"-t", "x", "--access-token-file", token, "-r", "a", "-s", "1"});
  EXPECT_EQ(both.config.access_token_file, "");
  EXPECT_TRUE(contains(test::warnings_of(both.diagnostics),
                       "--access-token-file is ignored because of --access-token"));
  // An unreadable file is an error only if it is the one that is used.
  EXPECT_EQ(token_of({"-t", "x", "--access-token-file", "/nonexistent"}, {}), "x");
  EXPECT_EQ(
      error_of({"--access-token-file", "/nonexistent", "-r", "a", "-s", "1"}, systemd),
      "--access-token-file: cannot read the access token from '/nonexistent': No such file or directory");
}

TEST_F(PrecedenceTest, ACredentialsDirectoryWithoutATokenSaysNothing) {
  const Variables variables = {{"CREDENTIALS_DIRECTORY", directory_.path()}};
  EXPECT_EQ(error_of({"-r", "a", "-s", "1"}, variables),
            "the option '--access-token' is required but missing");
  EXPECT_EQ(error_of({"-r", "a", "-s", "1"}, {{"CREDENTIALS_DIRECTORY", ""}}),
            "the option '--access-token' is required but missing");
  EXPECT_EQ(error_of({"-r", "a", "-s", "1"}, {{"AWSIOT_TUNNEL_ACCESS_TOKEN", ""}}),
            "the option '--access-token' is required but missing");
}

std::string client_token_of(Words words, const Variables& variables) {
  words.insert(words.end(), {"-t", "x", "-r", "a", "-s", "1"});
  return std::string(config_of(words, variables).client_token.reveal());
}

TEST_F(PrecedenceTest, OfTheClientToken) {
  const Variables variables = {{"AWSIOT_TUNNEL_CLIENT_TOKEN", kClientToken}};
  EXPECT_EQ(client_token_of({}, variables), kClientToken);
  const std::string of_config = "cccccccc" + std::string(kClientToken).substr(8);
  const std::string config = file("client-token = " + of_config + "\n");
  EXPECT_EQ(client_token_of({"--config", config}, variables), of_config);
  EXPECT_EQ(client_token_of({"--config", config, "-i", kOtherClientToken}, variables), kOtherClientToken);
  EXPECT_EQ(client_token_of({"--config", config, "--no-client-token"}, variables), "");
  const std::string none = file("no-client-token = yes\n");
  EXPECT_EQ(client_token_of({"--config", none}, variables), "");
  EXPECT_EQ(client_token_of({"--config", none, "-i", kOtherClientToken}, variables), kOtherClientToken);
  const std::string not_none = file("no-client-token = no\n");
  EXPECT_EQ(client_token_of({"--config", not_none}, variables), kClientToken);
  EXPECT_EQ(error_of({"-t", "x", "-r", "a", "-s", "1"}, {{"AWSIOT_TUNNEL_CLIENT_TOKEN", "SECRET"}}),
            "AWSIOT_TUNNEL_CLIENT_TOKEN: the client token is not made of 32 to 128 letters, digits and '-'");
}

std::string host_of(Words words, const Variables& variables) {
  words.insert(words.end(), {"-t", "x", "-s", "1"});
  return config_of(words, variables).endpoint.host;
}

std::string of_region(const std::string& region) {
  return "data.tunneling.iot." + region + ".amazonaws.com";
}

TEST_F(PrecedenceTest, OfTheEndpoint) {
  const Variables endpoint = {{"AWSIOT_TUNNEL_ENDPOINT", "of-environment"}};
  const Variables region = {{"AWSIOT_TUNNEL_REGION", "env-1"}};
  EXPECT_EQ(host_of({}, endpoint), "of-environment");
  EXPECT_EQ(host_of({}, region), of_region("env-1"));
  for (const Variables& variables : {endpoint, region}) {
    const std::string config_endpoint = file("proxy-endpoint = of-config");
    EXPECT_EQ(host_of({"--config", config_endpoint}, variables), "of-config");
    EXPECT_EQ(host_of({"--config", config_endpoint, "-e", "of-argv"}, variables), "of-argv");
    EXPECT_EQ(host_of({"--config", config_endpoint, "-r", "argv-1"}, variables), of_region("argv-1"));
    const std::string config_region = file("region = config-1");
    EXPECT_EQ(host_of({"--config", config_region}, variables), of_region("config-1"));
    EXPECT_EQ(host_of({"--config", config_region, "-e", "of-argv"}, variables), "of-argv");
    EXPECT_EQ(host_of({"--config", config_region, "-r", "argv-1"}, variables), of_region("argv-1"));
  }
  // Both in one place are an error.
  const std::string both = "Must specify one and only one of --region/-r or --proxy-endpoint/-e options";
  const Variables of_environment = {{"AWSIOT_TUNNEL_ENDPOINT", "e"}, {"AWSIOT_TUNNEL_REGION", "r"}};
  EXPECT_EQ(error_of({"-t", "x", "-s", "1"}, of_environment), both);
  EXPECT_EQ(host_of({"-e", "of-argv"}, of_environment), "of-argv");
  EXPECT_EQ(error_of({"-t", "x", "-s", "1", "--config", file("region = a\nproxy-endpoint = b\n")}), both);
  EXPECT_EQ(error_of({"-t", "x", "-s", "1"}, {{"AWSIOT_TUNNEL_REGION", "A.B"}}).substr(0, 22),
            "AWSIOT_TUNNEL_REGION: ");
}

TEST_F(PrecedenceTest, OfTheMap) {
  const auto config_with = [&](const std::string& content, Words words) {
    words.insert(words.end(), {"-t", "x", "-r", "a", "--config", file(content)});
    return config_of(words);
  };
  EXPECT_EQ(config_with("source-listen-port = 1", {}).services[0].address.port, 1);
  EXPECT_EQ(config_with("source-listen-port = 1", {"-s", "2"}).services[0].address.port, 2);
  EXPECT_EQ(config_with("source-listen-port = 1", {"-m", "src"}).services[0].address.port, 1);
  const Config turned = config_with("source-listen-port = 1\nmode = src", {"-d", "2"});
  EXPECT_EQ(turned.mode, Mode::kDestination);
  EXPECT_EQ(turned.services[0].address.port, 2);
  EXPECT_EQ(config_with("mode = dst", {"-s", "2"}).mode, Mode::kSource);
  EXPECT_EQ(config_with("mode = dst\ndestination-app = 3", {}).services[0].address.port, 3);
  // A mode does not discard a map: a mismatch is an error.
  EXPECT_EQ(error_of({"-t", "x", "-r", "a", "-m", "dst", "--config", file("source-listen-port = 1")}),
            "-s and --mode have mismatched mode. Mode is set to destination!");
  EXPECT_EQ(error_of({"-t", "x", "-r", "a", "--config", file("source-listen-port = 1\ndestination-app = 1")}),
            "Must specify one and only one of --source-listen-port/-s or --destination-app/-d");
}

TEST_F(PrecedenceTest, OfOtherOptions) {
  const Words rest = {"-t", "x", "-r", "a", "-s", "1", "--config"};
  const auto with = [&](const std::string& content, const Words& more) {
    Words words = rest;
    words.push_back(file(content));
    words.insert(words.end(), more.begin(), more.end());
    return config_of(words);
  };
  EXPECT_EQ(with("verbose = 6", {}).verbosity, LogLevel::kTrace);
  EXPECT_EQ(with("verbose = 6", {"-v", "1"}).verbosity, LogLevel::kFatal);
  EXPECT_EQ(with("local-bind-address = 10.0.0.1", {}).bind_address, "10.0.0.1");
  EXPECT_EQ(with("local-bind-address = 10.0.0.1", {"-b", "10.0.0.2"}).bind_address, "10.0.0.2");
  EXPECT_EQ(with("user = one", {}).user, "one");
  EXPECT_EQ(with("user = one", {"--user=two"}).user, "two");
  EXPECT_EQ(with("capath = /\ncapath = /tmp", {}).ca_paths.size(), 2u);
  EXPECT_EQ(with("capath = /\ncapath = /tmp", {"-c", "/usr"}).ca_paths, std::vector<std::string>{"/usr"});
}

TEST_F(PrecedenceTest, SettingsAreBelowEverything) {
  const std::string json = directory_.write(
      "settings.json",
      R"({"tunneling": {"proxy": {"default_bind_address": "10.9.9.9", "endpoint_format": "x.%s.example"}}})");
  EXPECT_EQ(config_of({"-t", "x", "-r", "a", "-s", "1", "--settings-json", json}).bind_address, "10.9.9.9");
  EXPECT_EQ(config_of({"-t", "x", "-r", "a", "-s", "1", "--settings-json", json}).endpoint.host,
            "x.a.example");
  EXPECT_EQ(config_of({"-t", "x", "-r", "a", "-d", "1", "--settings-json", json}).bind_address, "");
  EXPECT_EQ(config_of({"-t", "x", "-r", "a", "-s", "1", "--settings-json", json, "-b", "::1"}).bind_address,
            "::1");
  EXPECT_EQ(config_of({"-t", "x", "-s", "1", "--settings-json", json, "-e", "h"}).endpoint.host, "h");
  EXPECT_EQ(config_of({"-t", "x", "-s", "1", "--settings-json", json}, {{"AWSIOT_TUNNEL_ENDPOINT", "h"}})
                .endpoint.host,
            "h");
  const std::string config = file("settings-json = " + json + "\n");
  EXPECT_EQ(config_of({"-t", "x", "-r", "a", "-s", "1", "--config", config}).bind_address, "10.9.9.9");
}

TEST_F(PrecedenceTest, WorldReadableTokenFilesAreWarnedAbout) {
  const std::string token = token_file("x");
  const std::string config = file("access-token = x\n");
  EXPECT_TRUE(
      test::warnings_of(run_of({"--access-token-file", token, "-r", "a", "-s", "1"}).diagnostics).empty());
  EXPECT_TRUE(test::warnings_of(run_of({"--config", config, "-r", "a", "-s", "1"}).diagnostics).empty());
  ::chmod(token.c_str(), 0644);
  ::chmod(config.c_str(), 0644);
  EXPECT_TRUE(
      contains(test::warnings_of(run_of({"--access-token-file", token, "-r", "a", "-s", "1"}).diagnostics),
               "can be read by every"));
  EXPECT_TRUE(contains(test::warnings_of(run_of({"--config", config, "-r", "a", "-s", "1"}).diagnostics),
                       "can be read by every"));
  EXPECT_EQ(
      test::warnings_of(run_of({"--config", config, "-t", kToken, "-r", "a", "-s", "1"}).diagnostics).size(),
      2u);
}

}  // namespace
}  // namespace localproxy::config
