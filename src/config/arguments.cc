#include "config/arguments.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "config/endpoint.h"

namespace localproxy::config {
namespace {

constexpr const char* kTitle = "localproxy: the local end of an AWS IoT secure tunnel";
// Where what an option does begins in a line of the help.
constexpr size_t kHelpColumn = 30;

// Stands for a secret in what the library sees.
constexpr const char* kTaken = "*";

std::string long_name(const Option& option) {
  return std::string("--") + option.name;
}

// "-h,--help", as the library takes it and the help shows it.
std::string all_names(const Option& option) {
  return (option.letter != 0 ? std::string("-") + option.letter + "," : std::string()) + long_name(option);
}

// Writes argv anew for the library: every option by its long name, every value a word of its own, and no
// secret in it. The library keeps copies of what it is given and never wipes them.
class Rewriter {
 public:
  Rewriter(int argc, const char* const* argv) : argv_(argv, argv + argc) {}

  void run() {
    for (next_ = 1; next_ < argv_.size();) {
      const std::string_view word = argv_[next_++];
      if (word == "--") {
        stray_ += argv_.size() - next_;
        next_ = argv_.size();
      } else if (word.size() > 2 && word.starts_with("--")) {
        long_option(word.substr(2));
      } else if (word.size() > 1 && word[0] == '-') {
        short_options(word.substr(1));
      } else {
        ++stray_;
      }
    }
  }

  // Words that belong to no option. The reference leaves them out, so scripts have them.
  size_t stray() const { return stray_; }

  bool asked_for(OptionId id) const { return seen_[static_cast<size_t>(id)]; }
  const std::optional<Error>& error() const { return error_; }
  std::vector<std::string> take_words() { return std::move(words_); }
  Layer take_secrets() { return std::move(secrets_); }

 private:
  void long_option(std::string_view word) {
    const size_t equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    const auto guess = guess_option(name);
    if (!guess) return fail(guess.error().text());
    const Option* option = *guess;
    if (option == nullptr) {
      // Without what follows the equals sign, which may be a secret too.
      fail("unrecognised option " + shown("--" + std::string(name)));
    } else if (equals == std::string_view::npos) {
      option->shape == Shape::kFlag ? flag(*option) : value_from_next(*option);
    } else if (option->shape == Shape::kFlag) {
      fail("option '" + long_name(*option) + "' does not take any arguments");
    } else if (equals + 1 == word.size()) {
      fail("the argument for option '" + long_name(*option) +
           "' should follow immediately after the equal sign");
    } else {
      value(*option, word.substr(equals + 1));
    }
  }

  void short_options(std::string_view letters) {
    while (!letters.empty()) {
      const Option* option = find_option(letters[0]);
      if (option == nullptr) {
        return fail("unrecognised option " + shown(std::string("-") + letters[0]));
      }
      letters.remove_prefix(1);
      if (option->shape == Shape::kFlag) {
        flag(*option);
      } else {
        letters.empty() ? value_from_next(*option) : value(*option, letters);
        return;
      }
    }
  }

  void flag(const Option& option) {
    seen_[static_cast<size_t>(option.id)] = true;
    words_.push_back(long_name(option));
  }

  void value_from_next(const Option& option) {
    if (next_ == argv_.size() || is_option(argv_[next_]))
      fail("the required argument for option '" + long_name(option) + "' is missing");
    else
      value(option, argv_[next_++]);
  }

  void value(const Option& option, std::string_view text) {
    words_.push_back(long_name(option));
    if (option.shape == Shape::kSecret) {
      secrets_.set_secret(option.id, long_name(option), Secret(text));
      words_.emplace_back(kTaken);
    } else {
      words_.emplace_back(text);
    }
  }

  static bool is_option(std::string_view word) {
    if (word.size() > 2 && word.starts_with("--")) {
      const auto guess = guess_option(word.substr(2, word.find('=') - 2));
      return !guess || *guess != nullptr;
    }
    return word.size() > 1 && word[0] == '-' && find_option(word[1]) != nullptr;
  }

  void fail(std::string text) {
    if (!error_) error_.emplace(std::move(text));
  }

  std::vector<std::string_view> argv_;
  size_t next_ = 1;
  size_t stray_ = 0;
  std::vector<std::string> words_;
  Layer secrets_;
  std::array<bool, kOptionCount> seen_{};
  std::optional<Error> error_;
};

// The library's parser, made from the table.
class Parser {
 public:
  Parser() {
    app_.set_help_flag();
    for (const Option& option : options()) {
      const std::string names = all_names(option);
      CLI::Option* added = option.shape == Shape::kFlag ? app_.add_flag(names) : app_.add_option(names);
      // Repetition is refused below, in words of ours.
      added->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
      added_.emplace_back(&option, added);
    }
  }

  Result<> parse(std::vector<std::string> words, Layer& layer) {
    std::ranges::reverse(words);  // as the library wants them
    app_.parse(words);
    for (const auto& [option, added] : added_) {
      if (added->count() == 0) continue;
      if (added->count() > 1 && option->shape != Shape::kList)
        return Error("option '" + long_name(*option) + "' cannot be specified more than once");
      store(*option, added->results(), layer);
    }
    return {};
  }

 private:
  static void store(const Option& option, const std::vector<std::string>& texts, Layer& layer) {
    if (option.shape == Shape::kSecret) return;
    if (option.shape == Shape::kFlag) return layer.set_flag(option.id, long_name(option));
    for (const std::string& text : texts)
      layer.add(option.id, long_name(option), text);
  }

  CLI::App app_;
  std::vector<std::pair<const Option*, CLI::Option*>> added_;
};

}  // namespace

Result<Arguments> read_arguments(int argc, const char* const* argv) {
  Rewriter rewriter(argc, argv);
  rewriter.run();
  Arguments arguments;
  arguments.help = rewriter.asked_for(OptionId::kHelp);
  arguments.version = rewriter.asked_for(OptionId::kVersion);
  if (arguments.help || arguments.version) return arguments;
  if (rewriter.error()) return *rewriter.error();
  if (rewriter.stray() > 0)
    // They are not repeated: one may be a token that lost its option.
    arguments.notes.warning(std::to_string(rewriter.stray()) +
                            " of the arguments ignored: every value follows the option that it is for");

  arguments.layer = rewriter.take_secrets();
  try {
    if (auto parsed = Parser().parse(rewriter.take_words(), arguments.layer); !parsed) return parsed.error();
  } catch (const CLI::Error& error) {
    return Error(error.what());
  }
  return arguments;
}

// Not the library's: each version of it has a layout of its own.
std::string help_text() {
  std::string text = std::string(kTitle) + "\nUsage: localproxy [OPTIONS]\n\nOptions:\n";
  for (const Option& option : options()) {
    std::string line = "  " + all_names(option);
    if (option.shape != Shape::kFlag) line += std::string(" ") + option.argument;
    if (line.size() >= kHelpColumn) {
      text += line + "\n";
      line.clear();
    }
    line.resize(kHelpColumn, ' ');
    text += line + option.help + "\n";
  }
  return text;
}

}  // namespace localproxy::config
