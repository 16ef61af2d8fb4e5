#include "config/service_directory.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "config/config_file.h"
#include "config/endpoint.h"
#include "config/file.h"

namespace localproxy::config {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxFiles = 256;              // with more, it is probably a directory of something else
constexpr size_t kMaxServiceFile = 64 * 1024;  // bytes of one file
constexpr size_t kMaxMappings = 4 * 1024;      // of all files together

constexpr const char* kOthersCanChange =
    " is ignored because others can change it: it, or a link to it, is another user's, or a group or "
    "everybody "
    "may write to it (chmod go-w); --config-dir reads it all the same";

// Every regular file below root, sorted.
Result<std::vector<std::string>> list_files(const std::string& root) {
  const std::string what = "cannot read the directory " + shown(root);
  std::error_code failed;
  std::vector<std::string> files;
  for (auto at = fs::recursive_directory_iterator(root, failed);
       !failed && at != fs::recursive_directory_iterator(); at.increment(failed)) {
    std::error_code unknown;
    if (!at->is_regular_file(unknown) || unknown) continue;
    if (files.size() == kMaxFiles)
      return Error(what + ": there are more than " + std::to_string(kMaxFiles) + " files below it");
    files.push_back(at->path().string());
  }
  if (failed) return Error(what + ": " + failed.message(), ErrorCode::kSystem, failed.value());
  std::ranges::sort(files);
  return files;
}

bool known(const std::vector<ServiceMapping>& mappings, std::string_view service) {
  return std::ranges::find(mappings, service, &ServiceMapping::service) != mappings.end();
}

// Adds the services of one file.
Result<> read_one(const std::string& file, Mode mode, std::vector<ServiceMapping>& mappings,
                  Diagnostics& diagnostics) {
  const auto content = read_file(file, kMaxServiceFile, shown(file));
  if (!content) return content.error();
  const auto entries = parse_ini(content->reveal());
  if (!entries) return Error(shown(file) + ", " + entries.error().text());
  for (const IniEntry& entry : *entries) {
    const std::string line = shown(file) + ", line " + std::to_string(entry.line) + ": ";
    if (auto good = check_service_id(entry.name); !good || !entry.section.empty()) {
      diagnostics.warning(line + "ignored: " + (good ? "it is below a heading" : good.error().text()));
      continue;
    }
    if (known(mappings, entry.name)) continue;
    auto address = parse_local_address(entry.value, mode);
    if (!address) {
      diagnostics.warning(line + "ignored: " + address.error().text());
      continue;
    }
    if (address->kind == LocalAddress::Kind::kStdio) {
      diagnostics.warning(line +
                          "ignored: '-' (standard input and output) is for --source-listen-port/-s only");
      continue;
    }
    if (mappings.size() == kMaxMappings)
      return Error(line + "there are more than " + std::to_string(kMaxMappings) + " services");
    mappings.push_back({std::string(entry.name), std::move(*address)});
  }
  return {};
}

// All files below `path` that are `trusted`.
Result<std::vector<ServiceMapping>> read_all(const std::string& path, Mode mode, Diagnostics& diagnostics,
                                             bool (*trusted)(const std::string& file)) {
  const auto files = list_files(path);
  if (!files) return files.error();
  std::vector<ServiceMapping> mappings;
  for (const std::string& file : *files) {
    if (!trusted(file)) {
      diagnostics.warning("the file " + shown(file) + kOthersCanChange);
      continue;
    }
    if (auto read = read_one(file, mode, mappings, diagnostics); !read)
      diagnostics.warning(read.error().text() + "; the rest of the file is ignored");
  }
  return mappings;
}

}  // namespace

Result<std::vector<ServiceMapping>> read_service_directory(const std::string& path, Mode mode,
                                                           Diagnostics& diagnostics) {
  return read_all(path, mode, diagnostics, [](const std::string&) { return true; });
}

std::vector<ServiceMapping> read_default_service_directory(Mode mode, Diagnostics& diagnostics) {
  struct stat status;
  const std::string path = kDefaultServiceDirectory;
  if (::stat(path.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) return {};
  if (!only_ours(path)) {
    diagnostics.warning("the directory " + shown(path) + kOthersCanChange);
    return {};
  }
  auto mappings = read_all(path, mode, diagnostics, only_ours);
  if (mappings) return std::move(*mappings);
  diagnostics.warning(mappings.error().text());
  return {};
}

}  // namespace localproxy::config
