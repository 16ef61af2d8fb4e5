#include "config/settings.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "config/endpoint.h"
#include "config/file.h"
#include "config/tokens.h"

namespace localproxy::config {
namespace {

using Json = nlohmann::ordered_json;
using std::chrono::milliseconds;

constexpr size_t kMaxSettingsFile = 256 * 1024;  // bytes; the defaults need about 1,200
constexpr int64_t kDay = 86'400'000;             // milliseconds
constexpr int64_t kManyTries = 1'000'000'000;

constexpr std::string_view kRegionEndpoints = "tunneling.proxy.region_endpoint_overrides";
constexpr std::string_view kRegionMark = "%s";
constexpr std::array<std::string_view, 3> kSubprotocols = {
    "aws.iot.securetunneling-1.0", "aws.iot.securetunneling-2.0", "aws.iot.securetunneling-3.0"};

struct NumberSetting {
  std::string_view key;
  int64_t least;
  int64_t most;
  int64_t (*get)(const Settings&);
  void (*set)(Settings&, int64_t);
};

constexpr NumberSetting kNumbers[] = {
    {"tunneling.proxy.tcp.connection_retry_count", -1, kManyTries,
     [](const Settings& s) -> int64_t { return s.connect_tries; },
     // Without a single try there would be no service.
     [](Settings& s, int64_t n) { s.connect_tries = n == 0 ? 1 : static_cast<int>(n); }},
    {"tunneling.proxy.tcp.connection_retry_delay_ms", 0, kDay,
     [](const Settings& s) -> int64_t { return s.connect_retry_delay.count(); },
     [](Settings& s, int64_t n) { s.connect_retry_delay = milliseconds(n); }},
    {"tunneling.proxy.tcp.max_active_connections", 1, limits::kMaxConnectionsSetting,
     [](const Settings& s) -> int64_t { return s.max_connections; },
     [](Settings& s, int64_t n) { s.max_connections = static_cast<uint32_t>(n); }},
    {"tunneling.proxy.tcp.stall_timeout_ms", 0, kDay,
     [](const Settings& s) -> int64_t { return s.stall_timeout_ms; },
     [](Settings& s, int64_t n) { s.stall_timeout_ms = static_cast<uint32_t>(n); }},
    {"tunneling.proxy.websocket.ping_period_ms", 100, kDay,
     [](const Settings& s) -> int64_t { return s.ping_period.count(); },
     [](Settings& s, int64_t n) { s.ping_period = milliseconds(n); }},
    {"tunneling.proxy.websocket.retry_delay_ms", 1, limits::kBackoffMost.count(),
     [](const Settings& s) -> int64_t { return s.backoff_first.count(); },
     [](Settings& s, int64_t n) { s.backoff_first = milliseconds(n); }},
    {"tunneling.proxy.websocket.connect_retry_count", -1, kManyTries,
     [](const Settings& s) -> int64_t { return s.reconnect_tries; },
     [](Settings& s, int64_t n) { s.reconnect_tries = static_cast<int>(n); }},
};

struct TextSetting {
  std::string_view key;
  std::string (*get)(const FineSettings&);
  Result<> (*set)(FineSettings&, const std::string&);
};

Result<> set_bind_address(FineSettings& fine, const std::string& text) {
  auto host = parse_host(text);
  if (!host) return host.error();
  fine.default_bind_address = std::move(*host);
  return {};
}

Result<> set_endpoint_format(FineSettings& fine, const std::string& text) {
  const size_t mark = text.find(kRegionMark);
  if (mark == std::string::npos || text.find('%', mark + 1) != std::string::npos)
    return Error(shown(text) + " does not have the region's place, '%s', in it once");
  std::string example = text;
  if (auto good = parse_endpoint(example.replace(mark, kRegionMark.size(), "region")); !good)
    return good.error();
  fine.endpoint_format = text;
  return {};
}

Result<> set_data_error(FineSettings& fine, const std::string& text) {
  if (text != "true" && text != "false") return Error(shown(text) + " is neither 'true' nor 'false'");
  fine.settings.reconnect_on_data_error = text == "true";
  return {};
}

Result<> set_subprotocol(FineSettings& fine, const std::string& text) {
  if (std::ranges::find(kSubprotocols, text) == kSubprotocols.end())
    return Error(shown(text) + " is not 'aws.iot.securetunneling-' with 1.0, 2.0 or 3.0 after it");
  fine.settings.subprotocol = text;
  return {};
}

constexpr TextSetting kTexts[] = {
    {"tunneling.proxy.default_bind_address", [](const FineSettings& f) { return f.default_bind_address; },
     set_bind_address},
    {"tunneling.proxy.endpoint_format", [](const FineSettings& f) { return f.endpoint_format; },
     set_endpoint_format},
    {"tunneling.proxy.websocket.reconnect_on_data_error",
     [](const FineSettings& f) { return std::string(f.settings.reconnect_on_data_error ? "true" : "false"); },
     set_data_error},
    {"tunneling.proxy.websocket.subprotocol", [](const FineSettings& f) { return f.settings.subprotocol; },
     set_subprotocol},
};

// Sizes that the protocol fixes, or for which this program has no buffers. They are known here so that files
// that have them go on working.
struct FixedSetting {
  std::string_view key;
  int64_t value;
};

constexpr FixedSetting kFixed[] = {
    {"tunneling.proxy.message.data_length_size", 2},
    {"tunneling.proxy.message.data_frame_max_size", 65'538},
    {"tunneling.proxy.message.max_size", 65'536},
    {"tunneling.proxy.message.max_payload_size", 64'512},
    {"tunneling.proxy.tcp.read_buffer_size", 131'076},
    {"tunneling.proxy.tcp.write_buffer_size", 131'076},
    {"tunneling.proxy.websocket.max_frame_size", 131'076},
    {"tunneling.proxy.websocket.write_buffer_size", 131'076},
    {"tunneling.proxy.websocket.read_buffer_size", 131'076},
};

template <typename Row, size_t kSize>
const Row* find_row(const Row (&table)[kSize], std::string_view key) {
  const auto* const found = std::ranges::find(table, key, &Row::key);
  return found == std::end(table) ? nullptr : found;
}

// A leaf's text: that of a string, or of a number or a boolean as JSON writes it. Empty for null and arrays.
std::optional<std::string> leaf_text(const Json& leaf) {
  if (leaf.is_string()) return leaf.get<std::string>();
  if (leaf.is_number_integer() || leaf.is_boolean()) return leaf.dump();
  return std::nullopt;
}

class Reader {
 public:
  explicit Reader(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}

  Result<FineSettings> read(const Json& root) {
    if (auto done = object("", root); !done) return done.error();
    fine_.region_endpoints.insert(fine_.region_endpoints.begin(), overrides_.begin(), overrides_.end());
    return std::move(fine_);
  }

 private:
  static std::string dotted(std::string key, const std::string& name) {
    if (!key.empty()) key += '.';
    return key += name;
  }

  // Whether a key is a prefix of a known one, so that the keys below it matter.
  static bool leads_somewhere(const std::string& key) {
    const std::string prefix = key + ".";
    const auto below = [&](const auto& row) { return row.key.starts_with(prefix); };
    return std::ranges::any_of(kNumbers, below) || std::ranges::any_of(kTexts, below) ||
           std::ranges::any_of(kFixed, below) || key == kRegionEndpoints;
  }

  // The depth is bounded: only known prefixes are entered.
  Result<> object(const std::string& key, const Json& node) {
    if (!node.is_object()) return Error((key.empty() ? "the file" : key) + " is not a JSON object");
    for (const auto& [name, child] : node.items()) {
      const std::string below = dotted(key, name);
      const bool deeper = key != kRegionEndpoints && leads_somewhere(below);
      if (auto done = deeper ? object(below, child) : leaf(key, name, below, child); !done)
        return done.error();
    }
    return {};
  }

  Result<> leaf(const std::string& parent, const std::string& name, const std::string& key,
                const Json& node) {
    const bool region = parent == kRegionEndpoints;
    const NumberSetting* number_row = find_row(kNumbers, key);
    const TextSetting* text_row = find_row(kTexts, key);
    const FixedSetting* fixed_row = find_row(kFixed, key);
    if (!region && number_row == nullptr && text_row == nullptr && fixed_row == nullptr) {
      diagnostics_.warning("the setting " + shown(key) + " is not known and ignored");
      return {};
    }
    const auto text = leaf_text(node);
    if (!text) return Error(key + ": the value is not a string, a whole number, true or false");
    Result<> done;
    if (region) done = override_region(name, *text);
    if (number_row != nullptr) done = set_number(*number_row, *text);
    if (text_row != nullptr) done = text_row->set(fine_, *text);
    if (fixed_row != nullptr && parse_number<int64_t>(*text) != fixed_row->value)
      diagnostics_.debug("the setting " + key + " is always " + std::to_string(fixed_row->value) + " here");
    if (!done) return done.error().about(key);
    return {};
  }

  Result<> set_number(const NumberSetting& row, const std::string& text) {
    const auto value = parse_number<int64_t>(text);
    if (!value || *value < row.least || *value > row.most)
      return Error(shown(text) + " is not a number from " + std::to_string(row.least) + " to " +
                   std::to_string(row.most));
    row.set(fine_.settings, *value);
    return {};
  }

  Result<> override_region(const std::string& region, const std::string& endpoint) {
    if (auto good = check_region(region); !good) return good.error();
    if (auto good = parse_endpoint(endpoint); !good) return good.error();
    overrides_.emplace_back(region, endpoint);
    return {};
  }

  Diagnostics& diagnostics_;
  FineSettings fine_;
  std::vector<std::pair<std::string, std::string>> overrides_;
};

// Stores value at a dotted key.
void put(Json& root, std::string_view key, Json value) {
  Json* node = &root;
  for (size_t dot; (dot = key.find('.')) != std::string_view::npos; key.remove_prefix(dot + 1))
    node = &(*node)[std::string(key.substr(0, dot))];
  (*node)[std::string(key)] = std::move(value);
}

}  // namespace

Result<FineSettings> parse_settings(std::string_view text, Diagnostics& diagnostics) {
  try {
    return Reader(diagnostics).read(Json::parse(text));
  } catch (const Json::exception& error) {
    return Error("this is not JSON: " + escape_for_log(error.what()));
  }
}

Result<FineSettings> read_settings_file(const std::string& path, Diagnostics& diagnostics) {
  const std::string file = "--settings-json " + shown(path);
  const auto content = read_file(path, kMaxSettingsFile, file);
  if (!content) return content.error();
  Diagnostics of_file;
  auto fine = parse_settings(content->reveal(), of_file);
  if (!fine) return fine.error().about(file);
  diagnostics.add_about(file, std::move(of_file));
  return fine;
}

std::string default_settings_text() {
  const FineSettings fine;
  Json root;
  for (const TextSetting& row : kTexts) {
    const std::string text = row.get(fine);
    put(root, row.key, text == "true" || text == "false" ? Json(text == "true") : Json(text));
  }
  for (const FixedSetting& row : kFixed)
    put(root, row.key, row.value);
  for (const NumberSetting& row : kNumbers)
    put(root, row.key, row.get(fine.settings));
  for (const auto& [region, endpoint] : fine.region_endpoints)
    put(root, std::string(kRegionEndpoints) + "." + region, endpoint);
  return root.dump(4) + "\n";
}

Result<Endpoint> region_endpoint(const FineSettings& fine, const std::string& region) {
  for (const auto& [name, endpoint] : fine.region_endpoints)
    if (name == region) return parse_endpoint(endpoint);
  std::string host = fine.endpoint_format;
  host.replace(host.find(kRegionMark), kRegionMark.size(), region);
  // The partition of China has a domain of its own, for future regions as well.
  if (region.starts_with("cn-") && host.ends_with(".amazonaws.com")) host += ".cn";
  return parse_endpoint(host);
}

}  // namespace localproxy::config
