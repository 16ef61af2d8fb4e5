#include "config/config_file.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "config/endpoint.h"
#include "config/file.h"

namespace localproxy::config {
namespace {

constexpr size_t kMaxConfigFile = 64 * 1024;  // bytes; all options together need a few hundred
constexpr std::string_view kBlanks = " \t\r";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";  // what some editors put in front

// line without the comment at its end.
std::string_view without_comment(std::string_view line) {
  for (size_t hash = line.find('#'); hash != std::string_view::npos; hash = line.find('#', hash + 1))
    if (hash > 0 && kBlanks.find(line[hash - 1]) != std::string_view::npos) return line.substr(0, hash);
  return line;
}

Error at_line(size_t number, std::string_view reason) {
  return Error("line " + std::to_string(number) + ": " + std::string(reason));
}

struct FlagWord {
  std::string_view text;
  bool set;
};

constexpr FlagWord kFlagWords[] = {
    {"true", true},   {"yes", true}, {"on", true},   {"1", true},
    {"false", false}, {"no", false}, {"off", false}, {"0", false},
};

Result<> store(const Option& option, const IniEntry& entry, const std::string& origin, OptionSet& given) {
  switch (option.shape) {
    case Shape::kFlag: {
      const auto* const word = std::ranges::find_if(
          kFlagWords, [&](const FlagWord& row) { return equal_ignoring_case(row.text, entry.value); });
      if (word == std::end(kFlagWords)) return Error(origin + ": the value is neither 'true' nor 'false'");
      if (word->set) given.set_flag(option.id, origin);
      return {};
    }
    case Shape::kSecret:
      given.set_secret(option.id, origin, Secret(entry.value));
      return {};
    case Shape::kValue:
    case Shape::kList:
      given.add(option.id, origin, std::string(entry.value));
      return {};
  }
  return {};
}

}  // namespace

Result<std::vector<IniEntry>> parse_ini(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::vector<IniEntry> entries;
  std::string_view section;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    std::string_view line = trim(text.substr(0, end), kBlanks);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.find('\0') != std::string_view::npos) return at_line(number, "this is not a text file");
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    line = trim(without_comment(line), kBlanks);
    if (line[0] == '[') {
      if (!line.ends_with(']')) return at_line(number, "the heading lacks its closing bracket");
      section = trim(line.substr(1, line.size() - 2), kBlanks);
      continue;
    }
    const size_t equals = line.find('=');
    if (equals == std::string_view::npos) return at_line(number, "this is not 'name = value'");
    const std::string_view name = trim(line.substr(0, equals), kBlanks);
    if (name.empty()) return at_line(number, "there is no name before '='");
    entries.push_back({number, section, name, trim(line.substr(equals + 1), kBlanks)});
  }
  return entries;
}

Result<OptionSet> read_config_file(const std::string& path, Diagnostics& diagnostics) {
  const std::string file = "--config " + shown(path);
  const auto content = read_file(path, kMaxConfigFile, file);
  if (!content) return content.error();
  const auto entries = parse_ini(content->reveal());
  if (!entries) return Error(file + ", " + entries.error().text());

  OptionSet given;
  std::array<bool, kOptionCount> seen{};
  bool secrets = false;
  for (const IniEntry& entry : *entries) {
    const std::string line = file + ", line " + std::to_string(entry.line);
    const Option* option = entry.section.empty() ? find_option(entry.name) : nullptr;
    if (option == nullptr || !option->in_file) {
      const std::string section = entry.section.empty() ? "" : std::string(entry.section) + ".";
      return Error(line + ": unrecognised option " + shown(section + std::string(entry.name)));
    }
    const std::string origin = line + ": " + option->name;
    bool& again = seen[static_cast<size_t>(option->id)];
    if (again && option->shape != Shape::kList)
      return Error(origin + " is not the first: the option cannot be specified more than once");
    again = true;
    if (auto stored = store(*option, entry, origin, given); !stored) return stored.error();
    secrets = secrets || option->shape == Shape::kSecret;
  }
  if (secrets && readable_by_all(path))
    diagnostics.warning(file + " holds a token and can be read by every user of this machine");
  return given;
}

}  // namespace localproxy::config
