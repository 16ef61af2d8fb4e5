// The fine settings: the file of --settings-json, and the one that --export-default-settings writes.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "config/config.h"
#include "config/diagnostics.h"

namespace localproxy::config {

struct FineSettings {
  Settings settings;
  std::string default_bind_address = "localhost";
  std::string endpoint_format = "data.tunneling.iot.%s.amazonaws.com";  // %s: the region
  // Region and endpoint, as in -r and -e. The first entry of a region counts.
  std::vector<std::pair<std::string, std::string>> region_endpoints = {
      {"cn-north-1", "data.tunneling.iot.cn-north-1.amazonaws.com.cn"},
      {"cn-northwest-1", "data.tunneling.iot.cn-northwest-1.amazonaws.com.cn"},
  };
};

// text: a JSON object. A missing key keeps its default. An unknown key causes a warning. A value that differs
// from one that is fixed here causes a debug message.
Result<FineSettings> parse_settings(std::string_view text, Diagnostics& diagnostics);

// The same from a file; errors and diagnostics begin with its name.
Result<FineSettings> read_settings_file(const std::string& path, Diagnostics& diagnostics);

// All defaults as a JSON object, with a newline at the end.
std::string default_settings_text();

// The endpoint of a region. REQUIRES: a region that check_region (tokens.h) takes.
Result<Endpoint> region_endpoint(const FineSettings& fine, const std::string& region);

}  // namespace localproxy::config
