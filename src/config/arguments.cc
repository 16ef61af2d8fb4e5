#include "config/arguments.h"

#include <getopt.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "config/endpoint.h"

namespace localproxy::config {
namespace {

constexpr const char* kTitle = "localproxy: the local end of an AWS IoT secure tunnel";
// Where what an option does begins in a line of the help.
constexpr size_t kHelpColumn = 30;

// What getopt_long() returns: the letter of an option that was given by its letter; for one that was given by
// name this number and its place in options(); kNoOption for a name that is known and means no option.
constexpr int kFirstLong = 256;
constexpr int kNoOption = kFirstLong + static_cast<int>(kOptionCount);
// With '-' at the start of the letters: for a word that belongs to no option.
constexpr int kStrayWord = 1;

std::string long_name(const Option& option) {
  return std::string("--") + option.name;
}

// "-h,--help", as the help shows it.
std::string all_names(const Option& option) {
  return (option.letter != 0 ? std::string("-") + option.letter + "," : std::string()) + long_name(option);
}

// options() in the form that getopt_long() takes. It has rules of its own for abbreviations and would refuse
// some that the reference takes, so every start of every name, the empty one too, is a name here, and means
// what guess_option() says.
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
  // '-': words without an option are returned in their place, and argv is left as it is. ':': libc prints
  // nothing, and returns ':' when a value is missing.
  std::string letters_ = "-:";
};

// Reads argv once, from its start to its end: an error does not end it, because --help and --version behind
// the error still win. The first error counts.
class ArgumentParser {
 public:
  ArgumentParser(int argc, const char* const* argv)
      : argc_(argc), argv_(const_cast<char* const*>(argv)) {}  // nothing writes to it

  void run() {
    ::optind = 0;  // starts anew, whatever was parsed before
    int refused_word = 0;
    while (true) {
      const int word = std::max(::optind, 1);
      const int got = ::getopt_long(argc_, argv_, tables_.letters(), tables_.rows(), nullptr);
      if (got == -1) break;
      if (word == refused_word) {
        // Behind an unknown letter there may be anything, a token too: the rest of its word means nothing.
        ::optind = std::min(::optind, word + 1);
      } else if (!take(got, word)) {
        refused_word = word;
      }
    }
    stray_ += std::max(argc_ - ::optind, 0);  // behind "--"
  }

  // Words that belong to no option. The reference leaves them out, so scripts have them.
  int stray() const { return stray_; }
  bool has(OptionId id) const { return count_[static_cast<size_t>(id)] > 0; }

  // Everything that argv gives, if nothing in it is wrong.
  Result<Layer> layer() && {
    if (error_) return *error_;
    for (const Option& option : options())
      if (count_[static_cast<size_t>(option.id)] > 1 && option.shape != Shape::kList)
        return Error("option '" + long_name(option) + "' cannot be specified more than once");
    return std::move(layer_);
  }

 private:
  // got: of getopt_long(), which has looked at argv[word]. False: the rest of the word is not to be looked
  // at.
  bool take(int got, int word) {
    switch (got) {
      case kStrayWord:
        ++stray_;
        return true;
      case ':':
        missing_value(option_of(::optopt));
        return true;
      case kNoOption:
        unknown_name(argv_[word]);
        return true;
      case '?':
        return refuse(argv_[word]);
      default:
        option(option_of(got), word);
        return true;
    }
  }

  bool refuse(std::string_view word) {
    if (::optopt >= kFirstLong) {
      fail("option '" + long_name(option_of(::optopt)) + "' does not take any arguments");
    } else if (::optopt == 0) {
      unknown_name(word);
    } else {
      fail("unrecognised option " + shown(std::string("-") + static_cast<char>(::optopt)));
      return false;
    }
    return true;
  }

  void option(const Option& option, int word) {
    const bool flag = option.shape == Shape::kFlag;
    const bool in_next_word = !flag && ::optind == word + 2;
    if (in_next_word && is_option(::optarg)) {
      --::optind;  // it is read as one
      return missing_value(option);
    }
    if (!flag && !in_next_word && *::optarg == '\0')
      return fail("the argument for option '" + long_name(option) +
                  "' should follow immediately after the equal sign");
    ++count_[static_cast<size_t>(option.id)];
    if (flag) return layer_.set_flag(option.id, long_name(option));
    // A secret goes there from argv and through nothing else.
    if (option.shape == Shape::kSecret)
      return layer_.set_secret(option.id, long_name(option), Secret(::optarg));
    layer_.add(option.id, long_name(option), ::optarg);
  }

  // word: "--NAME" or "--NAME=VALUE", of which the value is not shown: it may be a secret.
  void unknown_name(std::string_view word) {
    const std::string_view name = name_in(word);
    const auto guess = guess_option(name);
    fail(guess ? "unrecognised option " + shown("--" + std::string(name)) : guess.error().text());
  }

  void missing_value(const Option& option) {
    fail("the required argument for option '" + long_name(option) + "' is missing");
  }

  void fail(std::string text) {
    if (!error_) error_.emplace(std::move(text));
  }

  static const Option& option_of(int got) {
    return got >= kFirstLong ? options()[static_cast<size_t>(got - kFirstLong)]
                             : *find_option(static_cast<char>(got));
  }

  static std::string_view name_in(std::string_view word) { return word.substr(2, word.find('=') - 2); }

  // The word would be read as an option, or is refused as an abbreviation of several.
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
  std::array<unsigned, kOptionCount> count_{};
  Layer layer_;
  std::optional<Error> error_;
};

}  // namespace

Result<Arguments> read_arguments(int argc, const char* const* argv) {
  ArgumentParser parser(argc, argv);
  parser.run();
  Arguments arguments;
  arguments.help = parser.has(OptionId::kHelp);
  arguments.version = parser.has(OptionId::kVersion);
  if (arguments.help || arguments.version) return arguments;
  if (parser.stray() > 0)
    // They are not repeated: one may be a token that lost its option.
    arguments.notes.warning(std::to_string(parser.stray()) +
                            " of the arguments ignored: every value follows the option that it is for");
  auto layer = std::move(parser).layer();
  if (!layer) return layer.error();
  arguments.layer = std::move(*layer);
  return arguments;
}

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
