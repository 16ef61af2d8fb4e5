#include "config/ini.h"

#include <string>

#include "base/text.h"

namespace localproxy::config {
namespace {

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

}  // namespace localproxy::config
