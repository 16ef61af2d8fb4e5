#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <sstream>
#include <string>
#include <vector>

#include "base/fd.h"
#include "build_config.h"
#include "tests/unit/base/freed_memory.h"
#include "tests/unit/config/marker.h"
#include "tests/unit/config/support.h"

namespace localproxy::config {
namespace {

using namespace std::string_literals;
using localproxy::test::FreedMemory;
using test::TemporaryDirectory;
using test::Variables;
using test::Words;

const std::string& marker() {
  static const std::string text = [] {
    std::string bytes;
    for (size_t i = 0; i < test::kMarkerSize; ++i)
      bytes.push_back(test::marker_byte(i));
    return bytes;
  }();
  return text;
}

// An access token that is also a valid client token. The marker is not at the start, where the allocator
// writes when the memory is freed.
std::string secret(const std::string& start) {
  return start + "0123456789-0123456789-" + marker() + "-012345";
}

// The output of the helper program when it is run this way.
std::vector<std::string> lines_of(const Words& arguments, const Variables& variables) {
  Words words = {LOCALPROXY_SCRUBBED};
  words.insert(words.end(), arguments.begin(), arguments.end());
  Words settings;
  for (const auto& [name, value] : variables)
    settings.push_back(std::string(name).append("=").append(value));
  std::vector<char*> argv;
  for (std::string& word : words)
    argv.push_back(word.data());
  argv.push_back(nullptr);
  std::vector<char*> environment;
  for (std::string& setting : settings)
    environment.push_back(setting.data());
  environment.push_back(nullptr);

  std::array<int, 2> ends{};
  EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, writer.get(), STDOUT_FILENO);
  pid_t child = -1;
  EXPECT_EQ(posix_spawn(&child, argv[0], &actions, nullptr, argv.data(), environment.data()), 0) << argv[0];
  posix_spawn_file_actions_destroy(&actions);
  writer.reset();

  std::string text;
  std::array<char, 4096> buffer;
  for (ssize_t got; (got = ::read(reader.get(), buffer.data(), buffer.size())) > 0;)
    text.append(buffer.data(), static_cast<size_t>(got));
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));

  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);)
    lines.push_back(line);
  return lines;
}

std::string value_of(const std::vector<std::string>& lines, const std::string& name) {
  for (const std::string& line : lines)
    if (line.starts_with(name + "=")) return line.substr(name.size() + 1);
  return "nothing";
}

class ScrubTest : public ::testing::Test {
 protected:
  // Checks that no secret is left but the expected copies, one of each token.
  static void expect_clean(const std::vector<std::string>& lines, int copies) {
    EXPECT_EQ(value_of(lines, "error"), "nothing");
    EXPECT_EQ(value_of(lines, "cmdline"), LOCALPROXY_SCRUBBED "|");
    for (const std::string& line : lines)
      EXPECT_EQ(line.find(marker()), std::string::npos) << line;
    EXPECT_EQ(value_of(lines, "argv0"), LOCALPROXY_SCRUBBED);
    EXPECT_TRUE(value_of(lines, "argv1") == "null" || value_of(lines, "argv1") == "nothing");
    if (!LOCALPROXY_SANITIZER_BUILD) {
      EXPECT_EQ(value_of(lines, "copies"), std::to_string(copies));
    }
  }
};

TEST_F(ScrubTest, ArgumentsAreGone) {
  expect_clean(
      lines_of({"-t", secret("AQGA-"), "-i", secret("client-"), "-r", "us-east-1", "-s", "5555"}, {}), 2);
  expect_clean(lines_of({"--access-token=" + secret("AQGA-"), "-r", "us-east-1", "-s5555"}, {}), 1);
  expect_clean(lines_of({"-s5555", "-rus-east-1", "-t" + secret("AQGA-")}, {}), 1);
  expect_clean(
      lines_of({"--access=" + secret("AQGA-"), "--cl", secret("client-"), "--reg", "a", "--so", "1"}, {}), 2);
}

TEST_F(ScrubTest, VariablesAreGone) {
  const auto lines = lines_of({"-s", "5555"}, {{"AWSIOT_TUNNEL_ACCESS_TOKEN", secret("AQGA-")},
                                               {"AWSIOT_TUNNEL_CLIENT_TOKEN", secret("client-")},
                                               {"AWSIOT_TUNNEL_REGION", "us-east-1"},
                                               {"HTTPS_PROXY", "http://user:" + marker() + "@other"},
                                               {"http_proxy", "http://user:" + marker() + "@proxy"},
                                               {"https_proxy", "http://user:" + marker() + "@proxy"},
                                               {"PATH", "/bin"},
                                               {"no_proxy", "x"}});
  expect_clean(lines, 3);
  std::vector<std::string> left;
  for (const std::string& line : lines)
    if (line.starts_with("variable=")) left.push_back(line);
  EXPECT_EQ(left, (std::vector<std::string>{"variable=AWSIOT_TUNNEL_REGION=us-east-1", "variable=PATH=/bin",
                                            "variable=no_proxy=x"}));
  const std::string environment = value_of(lines, "environ");
  EXPECT_EQ(environment.find("AWSIOT_TUNNEL_ACCESS_TOKEN"), std::string::npos);
  EXPECT_NE(environment.find("|PATH=/bin|"), std::string::npos);
}

TEST_F(ScrubTest, FilesLeaveNoCopies) {
  const TemporaryDirectory directory;
  const std::string token = directory.write("token", secret("AQGA-") + "\n");
  const std::string config = directory.write(
      "c.ini", "access-token = " + secret("AQGA-") + "\nclient-token = " + secret("client-") + "\n");
  expect_clean(lines_of({"--access-token-file", token, "-r", "a", "-s", "1"}, {}), 1);
  expect_clean(lines_of({"--config", config, "-r", "a", "-s", "1"}, {}), 2);
}

TEST_F(ScrubTest, ErrorsLeaveNoCopiesEither) {
  for (const Words& words : std::vector<Words>{{"-t", secret("AQGA-")},
                                               {"-t", secret("AQGA-"), "-t", secret("AQGA-")},
                                               {"-t", secret("AQGA-"), "--nope"},
                                               {"--acces-token", secret("AQGA-")},
                                               {"--a", secret("AQGA-"), "--ac=" + secret("AQGA-")},
                                               {"--c=" + secret("AQGA-")},
                                               {secret("AQGA-")},
                                               {"--acces-token=" + secret("AQGA-")},
                                               {"-x" + secret("AQGA-")},
                                               {"-t", secret("AQGA-") + " ", "-r", "a", "-s", "1"}}) {
    const auto lines = lines_of(words, {});
    EXPECT_NE(value_of(lines, "error"), "nothing");
    for (const std::string& line : lines)
      EXPECT_EQ(line.find(marker()), std::string::npos) << line;
    if (!LOCALPROXY_SANITIZER_BUILD) {
      EXPECT_EQ(value_of(lines, "copies"), "0") << words.front();
    }
  }
}

TEST_F(ScrubTest, WithoutArgumentsThereIsNothingToDo) {
  const auto lines = lines_of({}, {});
  EXPECT_EQ(value_of(lines, "cmdline"), LOCALPROXY_SCRUBBED "|");
  EXPECT_EQ(value_of(lines, "environ"), "");
}

TEST(FreedMemoryTest, NoSecretIsInFreedMemory) {
  if (LOCALPROXY_SANITIZER_BUILD) GTEST_SKIP() << "the sanitizer has an operator delete of its own";
  const TemporaryDirectory directory;
  const std::string config = directory.write("c.ini", "access-token = " + secret("AQGA-") + "\n");
  const std::string token = directory.write("token", secret("AQGA-") + "\n");
  const Variables variables = {{"AWSIOT_TUNNEL_CLIENT_TOKEN", secret("client-")},
                               {"https_proxy", "http://user:" + marker() + "%50assword@proxy"}};
  const std::vector<Words> lines = {
      {"-t", secret("AQGA-"), "-r", "a", "-s", "1"},
      {"--access-token=" + secret("AQGA-"), "-r", "a", "-s", "1"},
      {"--acc", secret("AQGA-"), "-r", "a", "-s", "1"},
      {"-t", secret("AQGA-"), "-r", "a", "-s", "wrong"},
      {"-t", secret("AQGA-"), "-t", secret("AQGA-")},
      {"--config", config, "-r", "a", "-s", "1"},
      {"--access-token-file", token, "-r", "a", "-s", "1"},
  };
  const FreedMemory freed(marker());
  for (const Words& words : lines)
    (void)test::parse(words, variables);
  EXPECT_EQ(freed.blocks_with_marker(), 0u);
}

}  // namespace
}  // namespace localproxy::config
