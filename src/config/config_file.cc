#include "config/config_file.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/text.h"
#include "config/endpoint.h"
#include "config/file.h"
#include "config/ini.h"

namespace localproxy::config {
namespace {

constexpr size_t kMaxFile = 64 * 1024;  // bytes; the options all together need a few hundred

struct FlagWord {
  std::string_view text;
  bool set;
};

constexpr FlagWord kFlagWords[] = {
    {"true", true},   {"yes", true}, {"on", true},   {"1", true},
    {"false", false}, {"no", false}, {"off", false}, {"0", false},
};

Result<> store(const Option& option, const IniEntry& entry, const std::string& origin, Layer& layer) {
  switch (option.shape) {
    case Shape::kFlag: {
      const auto* const word = std::ranges::find_if(
          kFlagWords, [&](const FlagWord& row) { return equal_ignoring_case(row.text, entry.value); });
      if (word == std::end(kFlagWords)) return Error(origin + ": the value is neither 'true' nor 'false'");
      if (word->set) layer.set_flag(option.id, origin);
      return {};
    }
    case Shape::kSecret:
      layer.set_secret(option.id, origin, Secret(entry.value));
      return {};
    case Shape::kValue:
    case Shape::kList:
      layer.add(option.id, origin, std::string(entry.value));
      return {};
  }
  return {};
}

}  // namespace

Result<Layer> read_config_file(const std::string& path, Notes& notes) {
  const std::string file = "--config " + shown(path);
  const auto content = read_file(path, kMaxFile, file);
  if (!content) return content.error();
  const auto entries = parse_ini(content->reveal());
  if (!entries) return Error(file + ", " + entries.error().text());

  Layer layer;
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
    if (auto stored = store(*option, entry, origin, layer); !stored) return stored.error();
    secrets = secrets || option->shape == Shape::kSecret;
  }
  if (secrets && readable_by_all(path))
    notes.warning(file + " holds a token and can be read by every user of this machine");
  return layer;
}

}  // namespace localproxy::config
