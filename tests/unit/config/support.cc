#include "tests/unit/config/support.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace localproxy::config::test {
namespace {

const Variables* current_variables = nullptr;

const char* look_up(const char* name) {
  const auto found = current_variables->find(name);
  return found == current_variables->end() ? nullptr : found->second.c_str();
}

}  // namespace

Result<Outcome> parse(const Words& words, const Variables& variables) {
  std::vector<const char*> argv = {"localproxy"};
  for (const std::string& word : words)
    argv.push_back(word.c_str());
  argv.push_back(nullptr);
  current_variables = &variables;
  return parse_command_line(static_cast<int>(argv.size()) - 1, argv.data(), look_up);
}

Run run_of(const Words& words, const Variables& variables) {
  auto outcome = parse(words, variables);
  EXPECT_TRUE(outcome.ok()) << outcome.error().text();
  if (!outcome.ok() || !std::holds_alternative<Run>(*outcome)) {
    ADD_FAILURE() << "this does not run";
    return {};
  }
  return std::move(std::get<Run>(*outcome));
}

Config config_of(const Words& words, const Variables& variables) {
  return run_of(words, variables).config;
}

std::string printed_by(const Words& words, const Variables& variables) {
  auto outcome = parse(words, variables);
  EXPECT_TRUE(outcome.ok()) << outcome.error().text();
  if (!outcome.ok() || !std::holds_alternative<Print>(*outcome)) {
    ADD_FAILURE() << "this does not print";
    return {};
  }
  return std::get<Print>(*outcome).text;
}

std::string error_of(const Words& words, const Variables& variables) {
  auto outcome = parse(words, variables);
  if (!outcome) return outcome.error().text();
  ADD_FAILURE() << "this is no error";
  return {};
}

Words with_basics(const Words& words) {
  Words all = {"-t", kToken, "-r", "us-east-1"};
  all.insert(all.end(), words.begin(), words.end());
  return all;
}

bool contains(const std::vector<std::string>& texts, const std::string& part) {
  return std::ranges::any_of(texts,
                             [&](const std::string& text) { return text.find(part) != std::string::npos; });
}

std::vector<std::string> texts_of(const Diagnostics& diagnostics, LogLevel level) {
  std::vector<std::string> texts;
  for (const Diagnostic& diagnostic : diagnostics.all())
    if (diagnostic.level == level) texts.push_back(diagnostic.text);
  return texts;
}

std::vector<std::string> warnings_of(const Diagnostics& diagnostics) {
  return texts_of(diagnostics, LogLevel::kWarning);
}

TemporaryDirectory::TemporaryDirectory(Enter enter) {
  std::string name = std::filesystem::temp_directory_path() / "localproxy-config-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) {
    ADD_FAILURE() << "cannot make a directory";
    ::abort();
  }
  path_ = name;
  if (enter == Enter::kYes) {
    before_ = std::filesystem::current_path();
    std::filesystem::current_path(path_);
  }
}

TemporaryDirectory::~TemporaryDirectory() {
  if (!before_.empty()) std::filesystem::current_path(before_);
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryDirectory::path(const std::string& name) const {
  return name.empty() ? path_ : path_ + "/" + name;
}

std::string TemporaryDirectory::write(const std::string& name, const std::string& content) const {
  const std::filesystem::path file = path(name);
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << content;
  ::chmod(file.c_str(), 0600);
  return file;
}

}  // namespace localproxy::config::test
