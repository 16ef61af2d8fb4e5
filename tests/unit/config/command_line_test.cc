#include "config/command_line.h"

#include <errno.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "build_config.h"
#include "config/tokens.h"
#include "tests/unit/config/support.h"

namespace localproxy::config {
namespace {

using test::config_of;
using test::contains;
using test::error_of;
using test::kClientToken;
using test::kToken;
using test::printed_by;
using test::run_of;
using test::TemporaryDirectory;
using test::with_basics;
using test::Words;

TEST(CommandLineTest, VersionAndHelpWinOverEverything) {
  const std::string version = "localproxy " LOCALPROXY_VERSION "\n";
  for (const Words& words : std::vector<Words>{{"-V"},
                                               {"--version"},
                                               {"-V", "-s", "nonsense"},
                                               {"--nope", "--version"},
                                               {"-r", "-V"},
                                               {"stray", "-V"},
                                               {"-e", "a", "-r", "b", "-V"},
                                               {"--config", "/nonexistent", "-V"},
                                               {"-V", "--region="},
                                               {"-V", "-t"},
                                               {"-V", "-V"}})
    EXPECT_EQ(printed_by(words), version);
  for (const Words& words : std::vector<Words>{{"-h"},
                                               {"--help"},
                                               {"-h", "-V"},
                                               {"-V", "-h"},
                                               {"-s", "nonsense", "-h"},
                                               {"-r", "-h"},
                                               {"--nope", "-h"}})
    EXPECT_NE(printed_by(words).find("Usage: localproxy"), std::string::npos);
  // Here it is the value of an option that takes any text that is not an option.
  EXPECT_NE(error_of({"-t", "x", "-r", "V"}).find("'V' is not a region"), std::string::npos);
}

struct WordsError {
  Words words;
  std::string error;
};

TEST(CommandLineTest, UsageErrorsAreTheOnesThatScriptsKnow) {
  const WordsError kCases[] = {
      {{}, "the option '--access-token' is required but missing"},
      {{"-r", "us-east-1", "-s", "5555"}, "the option '--access-token' is required but missing"},
      {{"-t", "x"}, "Must specify one and only one of --region/-r or --proxy-endpoint/-e options"},
      {{"-t", "x", "-s", "1"}, "Must specify one and only one of --region/-r or --proxy-endpoint/-e options"},
      {{"-t", "x", "-r", "a", "-e", "b"},
       "Must specify one and only one of --region/-r or --proxy-endpoint/-e options"},
      {{"-t", "x", "-r", "a"},
       "Must specify one of --source-listen-port/-s or --destination-app/-d or --mode"},
      {{"-t", "x", "-e", "a"},
       "Must specify one of --source-listen-port/-s or --destination-app/-d or --mode"},
      {with_basics({"-s", "1", "-d", "1"}),
       "Must specify one and only one of --source-listen-port/-s or --destination-app/-d"},
      {with_basics({"-s", "1", "-d", "1", "-m", "src"}),
       "Must specify one and only one of --source-listen-port/-s or --destination-app/-d"},
      {with_basics({"-m", "sauce"}),
       "Mode value is wrong! Allowed values are: src, dst, source, destination"},
      {with_basics({"-m", "SRC"}), "Mode value is wrong! Allowed values are: src, dst, source, destination"},
      {with_basics({"-m", ""}), "Mode value is wrong! Allowed values are: src, dst, source, destination"},
      {with_basics({"-m", "both", "-s", "1"}),
       "Mode value is wrong! Allowed values are: src, dst, source, destination"},
      {with_basics({"-s", "1", "-m", "dst"}),
       "-s and --mode have mismatched mode. Mode is set to destination!"},
      {with_basics({"-s", "1", "-m", "destination"}),
       "-s and --mode have mismatched mode. Mode is set to destination!"},
      {with_basics({"-d", "1", "-m", "src"}), "-d and --mode have mismatched mode. Mode is set to source!"},
      {with_basics({"-d", "1", "-m", "source"}),
       "-d and --mode have mismatched mode. Mode is set to source!"},
  };
  for (const WordsError& row : kCases)
    EXPECT_EQ(error_of(row.words), row.error);
  EXPECT_STREQ(kTryHelp, "Try 'localproxy --help' for a list of options.");
}

TEST(CommandLineTest, UnknownOptionsAreNamed) {
  const WordsError kCases[] = {
      {{"--nope"}, "unrecognised option '--nope'"},
      {{"--nope=SECRET"}, "unrecognised option '--nope'"},
      {{"-x"}, "unrecognised option '-x'"},
      {{"-xSECRET"}, "unrecognised option '-x'"},
      {{"-1"}, "unrecognised option '-1'"},
      {{"--Region", "--nope"}, "unrecognised option '--Region'"},
      {{"---region"}, "unrecognised option '---region'"},
      {{"--=x"}, "unrecognised option '--'"},
      {{"--no-region"}, "unrecognised option '--no-region'"},
      {{"--y"}, "unrecognised option '--y'"},
      {{"--acces-token", "SECRET"}, "unrecognised option '--acces-token'"},
      {{"--source-listen-ports", "1"}, "unrecognised option '--source-listen-ports'"},
  };
  for (const WordsError& row : kCases)
    EXPECT_EQ(error_of(row.words), row.error);
}

// The rest may be a token, which may contain letters of options.
TEST(CommandLineTest, LettersAfterAnUnknownOneAreIgnored) {
  for (const Words& words :
       std::vector<Words>{{"-xV"}, {"-xh"}, {"-xyV"}, {"-xt"}, {"-xt", "AQGA"}, {"-xr", "--", "-V"}})
    EXPECT_EQ(error_of(words), "unrecognised option '-x'");
  // Parsing continues with the next word.
  EXPECT_EQ(printed_by({"-xt", "-V"}), "localproxy " LOCALPROXY_VERSION "\n");
}

TEST(CommandLineTest, TheFirstErrorIsReported) {
  const WordsError kCases[] = {
      {{"-r", "-e", "--nope", "--c=x"}, "the required argument for option '--region' is missing"},
      {{"--nope", "-r"}, "unrecognised option '--nope'"},
      {{"-e", "a", "-e", "b", "-r", "a", "-r", "b", "--nope"}, "unrecognised option '--nope'"},
      // Among repetitions, the first in the order of --help.
      {{"-v", "1", "-v", "1", "-r", "a", "-r", "b"}, "option '--region' cannot be specified more than once"},
  };
  for (const WordsError& row : kCases)
    EXPECT_EQ(error_of(row.words), row.error);
}

// A word without an option may be a token, so it is counted but not shown.
TEST(CommandLineTest, WordsWithoutAnOptionAreLeftOut) {
  for (const Words& words :
       std::vector<Words>{{"SECRET"}, {"-"}, {""}, {"--", "-m"}, {"--", "--help"}, {"-v", "5", "SECRET"}}) {
    Words all = with_basics({"-s", "1"});
    all.insert(all.end(), words.begin(), words.end());
    const auto warnings = test::warnings_of(run_of(all).diagnostics);
    EXPECT_TRUE(
        contains(warnings, "1 of the arguments ignored: every value follows the option that it is for"));
    EXPECT_FALSE(contains(warnings, "SECRET"));
  }
  EXPECT_EQ(test::warnings_of(run_of(with_basics({"-s", "1", "--"})).diagnostics).size(), 1u);
}

TEST(CommandLineTest, OptionsMayBeAbbreviated) {
  const Config config = config_of({"--access", kToken, "--reg", "us-east-1", "--dest", "22", "--l=10.0.0.1"});
  EXPECT_EQ(config.access_token.reveal(), kToken);
  EXPECT_EQ(config.mode, Mode::kDestination);
  EXPECT_EQ(config.services[0].address.port, 22);
  EXPECT_EQ(config.bind_address, "10.0.0.1");
  EXPECT_EQ(config_of(with_basics({"--so=1", "--verb", "6"})).verbosity, LogLevel::kTrace);
  EXPECT_EQ(config_of(with_basics({"--so=1", "--destination-c", "V1"})).destination_version, Version::kV1);
  EXPECT_EQ(config_of(with_basics({"--so=1", "--id", "5"})).idle_timeout.count(), 5);
  EXPECT_EQ(
      error_of({"--access-token-f", "/nonexistent", "-r", "a", "-s", "1"}),
      "--access-token-file: cannot read the access token from '/nonexistent': No such file or directory");
  EXPECT_EQ(printed_by({"--vers"}), "localproxy " LOCALPROXY_VERSION "\n");
  // An abbreviation does not make the next option its value, and it counts as a repetition.
  EXPECT_EQ(error_of({"--reg", "--ver"}), "the required argument for option '--region' is missing");
  EXPECT_EQ(error_of({"--reg", "a", "--region", "b"}),
            "option '--region' cannot be specified more than once");
}

TEST(CommandLineTest, AmbiguousAbbreviationsNameTheOptions) {
  const WordsError kCases[] = {
      {{"--conf", "x"}, "option '--conf' is ambiguous and matches '--config' and '--config-dir'"},
      {{"--s=SECRET"}, "option '--s' is ambiguous and matches '--source-listen-port' and '--settings-json'"},
      {{"--c", "SECRET"},
       "option '--c' is ambiguous and matches '--client-token', '--capath', '--config' and '--config-dir'"},
  };
  for (const WordsError& row : kCases)
    EXPECT_EQ(error_of(row.words), row.error);
}

TEST(CommandLineTest, EmptyArgumentsCountAsAbsent) {
  const Config config = config_of(with_basics({"-s", "1", "-b", "", "-c", ""}));
  EXPECT_TRUE(config.bind_address.empty());
  EXPECT_TRUE(config.ca_paths.empty());
}

TEST(CommandLineTest, UnknownDestinationVersionsMeanTheNewest) {
  EXPECT_EQ(config_of(with_basics({"-s", "1", "-y", "V2"})).destination_version, Version::kV2);
  EXPECT_TRUE(test::warnings_of(run_of(with_basics({"-s", "1", "-y", "V3"})).diagnostics).size() == 1);
  const auto run = run_of(with_basics({"-s", "1", "-y", "V9"}));
  EXPECT_EQ(run.config.destination_version, Version::kV3);
  EXPECT_TRUE(contains(test::warnings_of(run.diagnostics),
                       "--destination-client-type 'V9' is ignored: the older versions"));
}

// A token in the wrong place is not shown in any error.
TEST(CommandLineTest, MisplacedTokensAreNotShown) {
  for (const std::string& token : {std::string("AQGAAXj1a2b3c4d5e6f7A8B9C0D1E2F3/+aZ=="),
                                   "AQGAAXj1a2b3c4d5e6f7A8B9C0D1" + std::string(200, 'x'),
                                   std::string("AQGAAXj1a2b3c4d5-e6f7_A8B9C0D1")}) {
    for (const char* option : {"-r", "-e", "-s", "-d", "-m", "-b", "-v", "--idle-timeout", "--sandbox",
                               "--config", "-c", "--cafile"}) {
      Words words = {"-t", "x", option, token};
      if (option != std::string("-r")) words.insert(words.end(), {"-r", "us-east-1"});
      if (option == std::string("-e")) words = {"-t", "x", option, token};
      if (option != std::string("-s") && option != std::string("-d")) words.insert(words.end(), {"-s", "1"});
      const std::string error = error_of(words);
      EXPECT_EQ(error.find(token.substr(0, 10)), std::string::npos) << error;
    }
  }
  EXPECT_EQ(error_of({"-t", kClientToken, "-i", kClientToken, "-r", "a", "-s", "1"}),
            "--client-token: the client token is the access token; it is one of your own choice");
}

#if LOCALPROXY_ALLOW_NO_VERIFY
TEST(CommandLineTest, NoVerifyWarnsLoudly) {
  for (const Words& words : std::vector<Words>{{"-k"}, {"--no-ssl-host-verify"}}) {
    Words all = with_basics({"-s", "1"});
    all.insert(all.end(), words.begin(), words.end());
    const auto run = run_of(all);
    EXPECT_FALSE(run.config.verify_host);
    EXPECT_TRUE(contains(test::warnings_of(run.diagnostics), "THE SERVICE IS NOT VERIFIED"));
  }
  const auto joined = run_of(with_basics({"-ks1"}));
  EXPECT_FALSE(joined.config.verify_host);
  EXPECT_EQ(joined.config.services[0].address.port, 1);
}
#else
TEST(CommandLineTest, NoVerifyIsNotThere) {
  EXPECT_EQ(error_of(with_basics({"-s", "1", "-k"})), "unrecognised option '-k'");
  EXPECT_EQ(error_of(with_basics({"-s", "1", "--no-ssl-host-verify"})),
            "unrecognised option '--no-ssl-host-verify'");
}
#endif

TEST(CommandLineTest, ValuesComeInEveryForm) {
  for (const Words& words : std::vector<Words>{
           {"-t", "tok", "-r", "us-east-1", "-s", "5555", "-v", "5"},
           {"-ttok", "-rus-east-1", "-s5555", "-v5"},
           {"--access-token", "tok", "--region", "us-east-1", "--source-listen-port", "5555", "--verbose",
            "5"},
           {"--access-token=tok", "--region=us-east-1", "--source-listen-port=5555", "--verbose=5"},
           {"--verbose=5", "-s5555", "--region", "us-east-1", "-t", "tok"}}) {
    const Config config = config_of(words);
    EXPECT_EQ(config.mode, Mode::kSource);
    EXPECT_EQ(config.access_token.reveal(), "tok");
    EXPECT_EQ(config.endpoint.host, "data.tunneling.iot.us-east-1.amazonaws.com");
    EXPECT_EQ(config.endpoint.port, 443);
    ASSERT_EQ(config.services.size(), 1u);
    EXPECT_EQ(config.services[0].address.port, 5555);
    EXPECT_EQ(config.verbosity, LogLevel::kDebug);
  }
  // Values with equal signs, dashes and brackets in them.
  EXPECT_EQ(config_of(with_basics({"--source-listen-port=SSH=1,DB=2"})).services.size(), 2u);
  EXPECT_EQ(config_of(with_basics({"-sSSH=-"})).services[0].address.kind, LocalAddress::Kind::kStdio);
  EXPECT_EQ(config_of(with_basics({"-s", "-"})).services[0].address.kind, LocalAddress::Kind::kStdio);
  EXPECT_EQ(config_of(with_basics({"-s-"})).services[0].address.kind, LocalAddress::Kind::kStdio);
  EXPECT_EQ(config_of(with_basics({"--source-listen-port", "-=-"})).services[0].service, "-");
  EXPECT_EQ(config_of(with_basics({"-d", "[::1]:22"})).services[0].address.host, "::1");
  EXPECT_EQ(config_of({"-t", "x", "-e", "[::1]", "-s", "1"}).endpoint.host, "::1");
  EXPECT_EQ(config_of({"-t", "[a,b]", "-e", "h", "-s", "1"}).access_token.reveal(), "[a,b]");
  EXPECT_EQ(config_of({"-t", "-x", "-e", "h", "-s", "1"}).access_token.reveal(), "-x");
  EXPECT_EQ(config_of({"-t=x", "-e", "h", "-s", "1"}).access_token.reveal(), "=x");
}

TEST(CommandLineTest, DefaultsAreThoseOfTheReference) {
  const auto run = run_of(with_basics({"-s", "1"}));
  const Config& config = run.config;
  EXPECT_TRUE(config.bind_address.empty());
  EXPECT_TRUE(config.ca_paths.empty());
  EXPECT_TRUE(config.ca_file.empty());
  EXPECT_TRUE(config.verify_host);
  EXPECT_TRUE(config.landlock);
  EXPECT_EQ(config.verbosity, LogLevel::kInfo);
  EXPECT_EQ(config.user, LOCALPROXY_USER);
  EXPECT_EQ(config.settings.subprotocol, "aws.iot.securetunneling-3.0");
  EXPECT_TRUE(config.access_token_file.empty());
  EXPECT_FALSE(config.web_proxy.has_value());
  EXPECT_EQ(config.idle_timeout.count(), 0);
  EXPECT_EQ(run.purpose, Purpose::kRun);
  EXPECT_TRUE(check_client_token(config.client_token.reveal()).ok());
}

TEST(CommandLineTest, ModesHaveTwoNames) {
  for (const char* name : {"src", "source"})
    EXPECT_EQ(config_of(with_basics({"-m", name})).mode, Mode::kSource);
  for (const char* name : {"dst", "destination"})
    EXPECT_EQ(config_of(with_basics({"-d", "1", "-m", name})).mode, Mode::kDestination);
  EXPECT_EQ(config_of(with_basics({"-s", "1", "-m", "src"})).services.size(), 1u);
  EXPECT_TRUE(config_of(with_basics({"-m", "src"})).services.empty());
  EXPECT_EQ(error_of(with_basics({"-m", "dst"})),
            "destination mode needs --destination-app/-d or --config-dir to say what to connect to");
}

TEST(CommandLineTest, WrongValuesAreShownWithTheirOption) {
  const WordsError kCases[] = {
      {with_basics({"-s", "70000"}),
       "--source-listen-port '70000': '70000' is not a port number from 0 to 65535"},
      {with_basics({"-s", "22x"}), "--source-listen-port '22x': '22x' is not a port number from 0 to 65535"},
      {with_basics({"-s", "+22"}), "--source-listen-port '+22': '+22' is not a port number from 0 to 65535"},
      {with_basics({"-s", "2 2"}), "--source-listen-port '2 2': '2 2' is not a port number from 0 to 65535"},
      {with_basics({"-s", ",,"}), "--source-listen-port ',,': there is no entry"},
      {with_basics({"-s", ""}), "--source-listen-port '': an entry is empty"},
      {with_basics({"-d", "0"}), "--destination-app '0': '0' is not a port number from 1 to 65535"},
      {with_basics({"-d", "A=1,A=2"}), "--destination-app 'A=1,A=2': service 'A' is there twice"},
      {with_basics({"-s", "1", "-b", "a b"}),
       "--local-bind-address 'a b': 'a b' is not a host name or an address"},
      {with_basics({"-s", "1", "-v", "x"}),
       "--verbose 'x': a level is a number from 0 to 255; from 6 up they mean the same"},
      {with_basics({"-s", "1", "-v", "5x"}),
       "--verbose '5x': a level is a number from 0 to 255; from 6 up they mean the same"},
      {with_basics({"-s", "1", "-v", "-1"}),
       "--verbose '-1': a level is a number from 0 to 255; from 6 up they mean the same"},
      {with_basics({"-s", "1", "-v", "256"}),
       "--verbose '256': a level is a number from 0 to 255; from 6 up they mean the same"},
      {with_basics({"-s", "1", "--user", ""}),
       "--user '': this is not the name of a user, nor UID or UID:GID"},
      {with_basics({"-s", "1", "--user", "a:b"}),
       "--user 'a:b': this is not the name of a user, nor UID or UID:GID"},
      {with_basics({"-s", "1", "--sandbox", "off"}),
       "--sandbox 'off': the only part that can be done without is 'no-landlock'"},
      {with_basics({"-s", "1", "-c", "/nonexistent"}), "--capath '/nonexistent': No such file or directory"},
      {with_basics({"-s", "1", "-c", "/dev/null"}), "--capath '/dev/null': Not a directory"},
      {with_basics({"-s", "1", "--cafile", "/nonexistent"}),
       "--cafile '/nonexistent': No such file or directory"},
      {with_basics({"-s", "1", "--cafile", "/"}), "--cafile '/': Is a directory"},
      {{"-t", "x", "-r", "US", "-s", "1"}, "--region: 'US' is not a region, which is like 'us-east-1'"},
      {{"-t", "x", "-r", "", "-s", "1"}, "--region: the region is empty"},
      {{"-t", "x", "-e", "wss://h", "-s", "1"},
       "--proxy-endpoint 'wss://h': give the host alone, without 'wss://'"},
      {{"-t", "", "-r", "a", "-s", "1"}, "--access-token: the access token is empty"},
      {{"-t", "SEC RET", "-r", "a", "-s", "1"}, "--access-token: the access token has blanks in it"},
      {with_basics({"-s", "1", "-i", "SECRET"}),
       "--client-token: the client token is not made of 32 to 128 letters, digits and '-'"},
      {{"--access-token-file", "-", "-r", "a", "-s", "A=-"},
       "--access-token-file '-': standard input is the local client's, as --source-listen-port has it"},
      {with_basics({"-s", "1", "-i", kClientToken, "--no-client-token"}),
       "--client-token and --no-client-token exclude each other"},
  };
  for (const WordsError& row : kCases)
    EXPECT_EQ(error_of(row.words), row.error);
}

TEST(CommandLineTest, ErrorsKeepTheSystemsReason) {
  for (const Words& words : std::vector<Words>{{"--access-token-file", "/nonexistent", "-r", "a", "-s", "1"},
                                               with_basics({"-s", "1", "--cafile", "/nonexistent"}),
                                               with_basics({"-s", "1", "-c", "/nonexistent"}),
                                               with_basics({"-m", "src", "--config-dir", "/nonexistent"}),
                                               {"--config", "/nonexistent"},
                                               {"--settings-json", "/nonexistent"},
                                               {"--export-default-settings", "/nonexistent/settings"}}) {
    const auto outcome = test::parse(words);
    ASSERT_FALSE(outcome.ok()) << words.front();
    EXPECT_EQ(outcome.error().code(), ErrorCode::kSystem) << outcome.error().text();
    EXPECT_EQ(outcome.error().number(), ENOENT) << outcome.error().text();
  }
}

TEST(CommandLineTest, OtherOptionsReachTheConfig) {
  const TemporaryDirectory directory;
  const std::string file = directory.write("ca.pem", "x");
  const Config config =
      config_of(with_basics({"-s", "1", "-b", "::1", "-c", directory.path(), "-c", "/", "--cafile", file,
                             "--user", "nobody", "--sandbox=no-landlock", "-i", kClientToken}));
  EXPECT_EQ(config.bind_address, "::1");
  EXPECT_EQ(config.ca_paths, (std::vector<std::string>{directory.path(), "/"}));
  EXPECT_EQ(config.ca_file, file);
  EXPECT_EQ(config.user, "nobody");
  EXPECT_FALSE(config.landlock);
  EXPECT_EQ(config.client_token.reveal(), kClientToken);
  EXPECT_TRUE(config_of(with_basics({"-s", "1", "--no-client-token"})).client_token.empty());
  EXPECT_EQ(run_of(with_basics({"-s", "1", "--check"})).purpose, Purpose::kCheck);
}

TEST(CommandLineTest, ASandboxReportNeedsNothingElse) {
  const auto plain = run_of({"--sandbox-report"});
  EXPECT_EQ(plain.purpose, Purpose::kSandboxReport);
  EXPECT_EQ(plain.config.user, LOCALPROXY_USER);
  EXPECT_TRUE(plain.config.landlock);
  const auto run = run_of({"--sandbox-report", "--user", "nobody", "--sandbox=no-landlock"});
  EXPECT_EQ(run.config.user, "nobody");
  EXPECT_FALSE(run.config.landlock);
}

TEST(CommandLineTest, ASandboxPolicyTakesWhatIsGiven) {
  const auto plain = run_of({"--sandbox-policy"});
  EXPECT_EQ(plain.purpose, Purpose::kSandboxPolicy);
  EXPECT_TRUE(plain.config.services.empty());
  const auto run =
      run_of({"--sandbox-policy", "-r", "eu-west-1", "-d", "SSH=22", "--access-token-file", "/no/file"});
  EXPECT_EQ(run.config.mode, Mode::kDestination);
  EXPECT_EQ(run.config.services.size(), 1U);
  EXPECT_EQ(run.config.access_token_file, "/no/file");
}

TEST(CommandLineTest, VerbosityGoesToTrace) {
  for (int level = 0; level <= 255; ++level) {
    const Config config = config_of(with_basics({"-s", "1", "-v", std::to_string(level)}));
    EXPECT_EQ(static_cast<int>(config.verbosity), std::min(level, 6));
  }
}

TEST(CommandLineTest, RegionsHaveEndpoints) {
  const WordsError kCases[] = {
      {{"us-east-1"}, "data.tunneling.iot.us-east-1.amazonaws.com"},
      {{"eu-central-1"}, "data.tunneling.iot.eu-central-1.amazonaws.com"},
      {{"us-gov-west-1"}, "data.tunneling.iot.us-gov-west-1.amazonaws.com"},
      {{"cn-north-1"}, "data.tunneling.iot.cn-north-1.amazonaws.com.cn"},
      {{"cn-northwest-1"}, "data.tunneling.iot.cn-northwest-1.amazonaws.com.cn"},
      {{"cn-south-9"}, "data.tunneling.iot.cn-south-9.amazonaws.com.cn"},
  };
  for (const WordsError& row : kCases)
    EXPECT_EQ(config_of({"-t", "x", "-r", row.words[0], "-s", "1"}).endpoint.host, row.error);
}

TEST(CommandLineTest, RelativePathsBecomeAbsolute) {
  const TemporaryDirectory directory(TemporaryDirectory::Enter::kYes);
  directory.write("token", kToken);
  directory.write("ca/root.pem", "x");
  const Config config = config_of({"--access-token-file", "token", "-r", "a", "-d", "A=./app.sock", "-c",
                                   "ca", "--cafile", "ca/root.pem"});
  EXPECT_EQ(config.access_token_file, directory.path("token"));
  EXPECT_EQ(config.ca_paths[0], directory.path("ca"));
  EXPECT_EQ(config.ca_file, directory.path("ca/root.pem"));
  EXPECT_TRUE(config.services[0].address.path.starts_with(directory.path()));
  // The path fits into 107 bytes as given, but not when made absolute.
  EXPECT_NE(error_of(with_basics({"-d", "./" + std::string(105, 'x')})).find("at most 107 bytes"),
            std::string::npos);
}

TEST(CommandLineTest, ATokenOnTheCommandLineIsWarnedAbout) {
  const auto run = run_of(with_basics({"-s", "1"}));
  ASSERT_EQ(test::warnings_of(run.diagnostics).size(), 1u);
  EXPECT_NE(test::warnings_of(run.diagnostics)[0].find("AWSIOT_TUNNEL_ACCESS_TOKEN"), std::string::npos);
  EXPECT_EQ(test::warnings_of(run.diagnostics)[0].find(kToken), std::string::npos);
  EXPECT_TRUE(
      test::warnings_of(run_of({"-r", "a", "-s", "1"}, {{"AWSIOT_TUNNEL_ACCESS_TOKEN", kToken}}).diagnostics)
          .empty());
}

}  // namespace
}  // namespace localproxy::config
