#include "config/certificates.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/text.h"
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

// The 32 bytes of 44 characters of Base64 (RFC 4648, 4) whose unused bits are zero; empty for anything else.
std::string digest_of(std::string_view base64) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  static constexpr size_t kSize = 44;
  if (base64.size() != kSize || base64.back() != '=') return "";
  base64.remove_suffix(1);
  std::string bytes;
  unsigned gathered = 0;
  unsigned bits = 0;
  for (const char digit : base64) {
    const size_t value = kDigits.find(digit);
    if (value == std::string_view::npos) return "";
    gathered = gathered << 6 | static_cast<unsigned>(value);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes += static_cast<char>(gathered >> bits);
    gathered &= (1U << bits) - 1;
  }
  return gathered == 0 ? bytes : std::string();
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

Result<std::vector<std::string>> parse_pins(std::string_view text) {
  static constexpr std::string_view kScheme = "sha256//";
  std::vector<std::string> pins;
  for (bool last = false; !last;) {
    const size_t end = text.find(';');
    last = end == std::string_view::npos;
    const std::string_view entry = trim(text.substr(0, end));
    if (!last) text.remove_prefix(end + 1);
    if (entry.empty()) continue;
    std::string digest = entry.starts_with(kScheme) ? digest_of(entry.substr(kScheme.size())) : std::string();
    if (digest.empty())
      return Error(shown(entry) + " is not 'sha256//' with the 44 characters of a SHA-256 sum in Base64");
    pins.push_back(std::move(digest));
  }
  if (pins.empty()) return Error("there is no public key in it");
  return pins;
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
