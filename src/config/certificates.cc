#include "config/certificates.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "config/endpoint.h"
#include "config/file.h"

namespace localproxy::config {
namespace {

constexpr const char* kFile = "SSL_CERT_FILE";
constexpr const char* kDirectories = "SSL_CERT_DIR";

bool is_missing(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

Result<std::string> whole(const std::string& path) {
  std::string absolute = absolute_path(path);
  if (absolute.size() >= PATH_MAX) return system_error(shown(path), ENAMETOOLONG);
  return absolute;
}

}  // namespace

Result<std::string> certificate_directory(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return system_error(shown(path), errno);
  if (!S_ISDIR(status.st_mode)) return system_error(shown(path), ENOTDIR);
  return whole(path);
}

Result<std::string> certificate_file(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return system_error(shown(path), errno);
  if (S_ISDIR(status.st_mode)) return system_error(shown(path), EISDIR);
  if (!S_ISREG(status.st_mode))
    return Error(shown(path) +
                 ": this is not a plain file; certificates are read anew for each connection to the service, "
                 "which a pipe does not allow: write them to a file");
  return whole(path);
}

Result<> read_certificate_variables(Environment environment, Config& config, Diagnostics& diagnostics) {
  const auto missing = [&](const char* variable, const std::string& path) {
    if (is_missing(path)) diagnostics.warning(std::string(variable) + " " + shown(path) + " is not there");
    return is_missing(path);
  };
  if (const char* path = look_up(environment, kFile)) {
    config.cert_file.emplace();
    if (!missing(kFile, path)) {
      auto file = certificate_file(path);
      if (!file) return file.error().reworded(std::string(kFile) + " " + file.error().text());
      config.cert_file = std::move(*file);
    }
  }
  const char* text = look_up(environment, kDirectories);
  if (text == nullptr) return {};
  config.cert_paths.emplace();
  for (std::string_view rest = text; !rest.empty();) {
    const std::string path(rest.substr(0, rest.find(':')));
    rest.remove_prefix(std::min(rest.size(), path.size() + 1));
    if (path.empty() || missing(kDirectories, path)) continue;
    auto directory = certificate_directory(path);
    if (!directory)
      return directory.error().reworded(std::string(kDirectories) + " " + directory.error().text());
    config.cert_paths->push_back(std::move(*directory));
  }
  if (config.cert_paths->size() + config.ca_paths.size() > limits::kMaxCaPaths)
    return Error(std::string(kDirectories) + " and --capath: more than " +
                 std::to_string(limits::kMaxCaPaths) + " directories together");
  return {};
}

bool needs_roots(const Config& config) {
  return config.verify_host || (config.web_proxy && config.web_proxy->scheme == "https");
}

}  // namespace localproxy::config
