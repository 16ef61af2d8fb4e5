#include "config/command_line.h"

#include <getopt.h>
#include <string.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "base/secret.h"
#include "build_config.h"
#include "config/assemble.h"
#include "config/certificates.h"
#include "config/client_certificate.h"
#include "config/client_token.h"
#include "config/config_file.h"
#include "config/endpoint.h"
#include "config/file.h"
#include "config/option_set.h"
#include "config/settings.h"
#include "config/web_proxy.h"

namespace localproxy::config {
namespace {

// What getopt_long() returns: the letter of an option given by its letter; this number plus the index in
// options() for one given by name; kNoOption for a name in the table that means no option.
constexpr int kFirstLong = 256;
constexpr int kNoOption = kFirstLong + static_cast<int>(kOptionCount);
// Returned for a word that belongs to no option, because the letters start with '-'.
constexpr int kStrayWord = 1;

// options() in the form that getopt_long() takes. Its own rules for abbreviations would refuse some that the
// reference takes. So every prefix of every name, even the empty one, is a name here and means what
// guess_option() says.
class GetoptTables {
 public:
  GetoptTables() {
    for (const Option& option : options()) {
      const std::string_view name = option.name;
      for (size_t size = 0; size <= name.size(); ++size)
        names_.emplace(name.substr(0, size));
      if (option.letter == 0) continue;
      letters_ += option.letter;
      if (option.shape != Shape::kFlag) letters_ += ':';
    }
    for (const std::string& name : names_) {
      const auto guess = guess_option(name);
      if (!guess || *guess == nullptr) {
        rows_.push_back({name.c_str(), optional_argument, nullptr, kNoOption});
        continue;
      }
      const bool flag = (*guess)->shape == Shape::kFlag;
      rows_.push_back({name.c_str(), flag ? no_argument : required_argument, nullptr,
                       kFirstLong + static_cast<int>(*guess - options().data())});
    }
    rows_.push_back({});
  }
  GetoptTables(const GetoptTables&) = delete;
  GetoptTables& operator=(const GetoptTables&) = delete;

  const char* letters() const { return letters_.c_str(); }
  const ::option* rows() const { return rows_.data(); }

 private:
  std::set<std::string> names_;
  std::vector<::option> rows_;
  // '-': words without an option are returned in order, and argv is not permuted. ':': libc prints nothing,
  // and returns ':' when a value is missing.
  std::string letters_ = "-:";
};

// Reads argv once, to its end: it does not stop at an error, because --help and --version after the error
// still win. The first error counts.
class ArgumentParser {
 public:
  ArgumentParser(int argc, const char* const* argv)
      : argc_(argc), argv_(const_cast<char* const*>(argv)) {}  // nothing writes to it

  void run() {
    ::optind = 0;  // resets the state of getopt_long()
    while (true) {
      const int word = std::max(::optind, 1);
      const int got = ::getopt_long(argc_, argv_, tables_.letters(), tables_.rows(), nullptr);
      if (got == -1) break;
      if (word == refused_word_)
        ::optind = std::min(::optind, word + 1);
      else
        take(got, word);
    }
    stray_ += std::max(argc_ - ::optind, 0);  // after "--"
  }

  // Words that belong to no option. The reference ignores them, so scripts have some.
  int stray() const { return stray_; }
  bool has(OptionId id) const { return count_[static_cast<size_t>(id)] > 0; }

  // The options in argv, or its first error.
  Result<OptionSet> given() && {
    if (error_) return *error_;
    for (const Option& option : options())
      if (count_[static_cast<size_t>(option.id)] > 1 && option.shape != Shape::kList)
        return Error("option '" + option_name(option.id) + "' cannot be specified more than once");
    return std::move(given_);
  }

 private:
  // got: what getopt_long() returned for argv[word].
  void take(int got, int word) {
    switch (got) {
      case kStrayWord:
        ++stray_;
        return;
      case ':':
        return missing_value(option_of(::optopt));
      case '?':
        return refuse(word);
      case kNoOption:
        return unknown_name(argv_[word]);
      default:
        return add(option_of(got), word);
    }
  }

  void refuse(int word) {
    if (::optopt >= kFirstLong)
      return fail("option '" + option_name(option_of(::optopt).id) + "' does not take any arguments");
    if (::optopt == 0) return unknown_name(argv_[word]);
    // What follows an unknown letter may be anything, even a token.
    refused_word_ = word;
    fail("unrecognised option " + shown(std::string("-") + static_cast<char>(::optopt)));
  }

  void add(const Option& option, int word) {
    const std::string name = option_name(option.id);
    const bool flag = option.shape == Shape::kFlag;
    const bool in_next_word = !flag && ::optind == word + 2;
    if (in_next_word && is_option(::optarg)) {
      --::optind;  // it is parsed as an option next
      return missing_value(option);
    }
    if (!flag && !in_next_word && *::optarg == '\0')
      return fail("the argument for option '" + name + "' should follow immediately after the equal sign");
    ++count_[static_cast<size_t>(option.id)];
    if (flag) return given_.set_flag(option.id, name);
    // Straight from argv to where it stays, through no other string.
    if (option.shape == Shape::kSecret) return given_.set_secret(option.id, name, Secret(::optarg));
    given_.add(option.id, name, ::optarg);
  }

  // word: "--NAME" or "--NAME=VALUE", whose value is not shown: it may be a secret.
  void unknown_name(std::string_view word) {
    const std::string_view name = name_in(word);
    const auto guess = guess_option(name);
    fail(guess ? "unrecognised option " + shown("--" + std::string(name)) : guess.error().text());
  }

  void missing_value(const Option& option) {
    fail("the required argument for option '" + option_name(option.id) + "' is missing");
  }

  void fail(std::string text) {
    if (!error_) error_.emplace(std::move(text));
  }

  static const Option& option_of(int got) {
    return got >= kFirstLong ? options()[static_cast<size_t>(got - kFirstLong)]
                             : *find_option(static_cast<char>(got));
  }

  static std::string_view name_in(std::string_view word) { return word.substr(2, word.find('=') - 2); }

  // Whether the word is an option, or an abbreviation that is refused because it means several.
  static bool is_option(std::string_view word) {
    if (word.size() > 2 && word.starts_with("--")) {
      const auto guess = guess_option(name_in(word));
      return !guess || *guess != nullptr;
    }
    return word.size() > 1 && word[0] == '-' && find_option(word[1]) != nullptr;
  }

  const GetoptTables tables_;
  const int argc_;
  char* const* const argv_;
  int stray_ = 0;
  int refused_word_ = 0;  // the rest of this word is skipped
  std::array<unsigned, kOptionCount> count_{};
  OptionSet given_;
  std::optional<Error> error_;
};

struct Arguments {
  OptionSet given;
  bool help = false;  // help and version win over everything else, errors included
  bool version = false;
  Diagnostics diagnostics;
};

Result<Arguments> read_arguments(int argc, const char* const* argv) {
  ArgumentParser parser(argc, argv);
  parser.run();
  Arguments arguments;
  arguments.help = parser.has(OptionId::kHelp);
  arguments.version = parser.has(OptionId::kVersion);
  if (arguments.help || arguments.version) return arguments;
  if (parser.stray() > 0)
    // The words are not shown: one may be a token that lost its option.
    arguments.diagnostics.warning(std::to_string(parser.stray()) +
                                  " of the arguments ignored: every value follows the option that it is for");
  auto given = std::move(parser).given();
  if (!given) return given.error();
  arguments.given = std::move(*given);
  return arguments;
}

Result<Outcome> export_settings(const OptionSet& given) {
  const std::string& path = given.text(OptionId::kExportDefaultSettings);
  if (path == "-") return Outcome(Print{default_settings_text()});
  if (auto written = write_file(path, default_settings_text()); !written)
    return written.error().about("--export-default-settings");
  return Outcome(Print{""});
}

// The URL of a web proxy may hold a password.
constexpr std::string_view kProxyVariables[] = {
    "https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY",
};

bool holds_secret(std::string_view name) {
  const bool of_option = std::ranges::any_of(options(), [&](const Option& option) {
    return option.shape == Shape::kSecret && name == option.variable;
  });
  return of_option || std::ranges::find(kProxyVariables, name) != std::end(kProxyVariables);
}

}  // namespace

Result<Outcome> parse_command_line(int argc, const char* const* argv, Environment environment) {
  auto arguments = read_arguments(argc, argv);
  if (!arguments) return arguments.error();
  if (arguments->help) return Outcome(Print{help_text()});
  if (arguments->version) return Outcome(Print{"localproxy " LOCALPROXY_VERSION "\n"});

  OptionSet given = std::move(arguments->given);
  if (given.has(OptionId::kExportDefaultSettings)) return export_settings(given);

  Run run;
  run.diagnostics = std::move(arguments->diagnostics);
  if (given.has(OptionId::kConfig)) {
    auto file = read_config_file(given.text(OptionId::kConfig), run.diagnostics);
    if (!file) return file.error();
    given.fill_from(std::move(*file));
  }
  given.fill_from(read_variables(environment));

  FineSettings fine;
  if (given.has(OptionId::kSettingsJson)) {
    auto read = read_settings_file(given.text(OptionId::kSettingsJson), run.diagnostics);
    if (!read) return read.error();
    fine = std::move(*read);
  }
  if (given.has(OptionId::kSandboxReport)) {
    if (given.has(OptionId::kCheck)) return Error("--check and --sandbox-report exclude each other");
    if (given.has(OptionId::kSandboxPolicy))
      return Error("--sandbox-policy and --sandbox-report exclude each other");
    run.purpose = Purpose::kSandboxReport;
    auto config = assemble_sandbox(std::move(given), run.diagnostics);
    if (!config) return config.error();
    run.config = std::move(*config);
    return Outcome(std::move(run));
  }
  if (given.has(OptionId::kCheck)) run.purpose = Purpose::kCheck;
  const bool policy = given.has(OptionId::kSandboxPolicy);
  if (policy && run.purpose == Purpose::kCheck)
    return Error("--check and --sandbox-policy exclude each other");
  if (policy) run.purpose = Purpose::kSandboxPolicy;
  auto config = policy ? assemble_policy(std::move(given), fine, run.diagnostics)
                       : assemble(std::move(given), fine, run.diagnostics, state_directory(environment));
  if (!config) return config.error();
  run.config = std::move(*config);
  if (auto read = read_proxy_variables(environment, run.config); !read) return read.error();
  keep_for_web_proxy(run.config, run.diagnostics);
  if (auto read = read_certificate_variables(environment, run.config, run.diagnostics); !read)
    return read.error();
  return Outcome(std::move(run));
}

void scrub_arguments(int argc, char** argv, char** variables) {
  for (int i = 1; i < argc; ++i) {
    const size_t size = ::strlen(argv[i]);
    wipe(argv[i], size);
    // When the last byte of the arguments is not zero, the kernel assumes that the program has set a title
    // and shows only the first string (fs/proc/base.c): argv[0] without a tail of zeros.
    if (i == argc - 1) argv[i][size] = '\1';
    argv[i] = nullptr;
  }

  char** kept = variables;
  for (char** entry = variables; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (holds_secret(text.substr(0, text.find('='))))
      wipe(*entry, text.size());
    else
      *kept++ = *entry;
  }
  *kept = nullptr;
  wipe_stack();
}

}  // namespace localproxy::config
