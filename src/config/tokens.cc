#include "config/tokens.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "base/limits.h"
#include "base/text.h"
#include "config/endpoint.h"
#include "config/file.h"

namespace localproxy::config {
namespace {

constexpr std::string_view kRegionBytes = "abcdefghijklmnopqrstuvwxyz0123456789-";
constexpr std::string_view kClientTokenBytes =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
constexpr size_t kMaxRegion = 63;  // a label of a host name (RFC 1035, 2.3.4)

bool names_a_file(std::string_view text) {
  for (const std::string_view start : {"/", "./", "../", "~/"})
    if (text.starts_with(start)) return true;
  struct stat status;
  std::string path(text);
  const bool exists = ::stat(path.c_str(), &status) == 0;
  wipe(path);
  return exists;
}

}  // namespace

Result<> check_access_token(std::string_view token) {
  if (token.empty()) return Error("the access token is empty");
  if (token.size() > limits::kMaxAccessToken)
    return Error("the access token is longer than " + std::to_string(limits::kMaxAccessToken) + " bytes");
  for (const char byte : token) {
    if (byte == '\n' || byte == '\r') return Error("the access token has a line end in it");
    if (byte == ' ' || byte == '\t') return Error("the access token has blanks in it");
    if (byte < 0x21 || byte > 0x7e) return Error("the access token has bytes in it that are not printable");
  }
  if (names_a_file(token))
    return Error("the access token is the name of a file; to read it from there use --access-token-file");
  return {};
}

Result<> check_client_token(std::string_view token) {
  if (token.size() < limits::kMinClientToken || token.size() > limits::kMaxClientToken ||
      !consists_of(token, kClientTokenBytes))
    return Error("the client token is not made of " + std::to_string(limits::kMinClientToken) + " to " +
                 std::to_string(limits::kMaxClientToken) + " letters, digits and '-'");
  return {};
}

Result<Secret> generate_client_token() {
  std::array<unsigned char, 16> bytes;
  ssize_t got;
  do {
    got = ::getrandom(bytes.data(), bytes.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got != static_cast<ssize_t>(bytes.size())) return system_error("getrandom", got < 0 ? errno : EIO);
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | 0x40);  // version 4
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);  // the variant of RFC 4122

  constexpr std::string_view kHex = "0123456789abcdef";
  std::array<char, 36> text;
  size_t at = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text[at++] = '-';
    text[at++] = kHex[bytes[i] >> 4];
    text[at++] = kHex[bytes[i] & 0x0f];
  }
  Secret token{std::string_view(text.data(), text.size())};
  wipe(bytes.data(), bytes.size());
  wipe(text.data(), text.size());
  return token;
}

Result<Secret> read_token_file(const std::string& path) {
  const std::string what =
      "cannot read the access token from " + (path == "-" ? std::string("standard input") : shown(path));
  // A line end has up to two bytes.
  const auto content = read_file(path, limits::kMaxAccessToken + 2, what);
  if (!content) return content.error();
  std::string_view text = content->reveal();
  while (text.ends_with('\n') || text.ends_with('\r'))
    text.remove_suffix(1);
  if (auto good = check_access_token(text); !good) return good.error().about(what);
  return Secret(text);
}

Result<> check_region(std::string_view region) {
  if (region.empty()) return Error("the region is empty");
  if (region.size() > kMaxRegion)
    return Error(
        "this is no region but " + std::to_string(region.size()) +
        " characters: is it a token, which is for AWSIOT_TUNNEL_ACCESS_TOKEN or --access-token-file?");
  if (region.find_first_of(".:/") != std::string_view::npos)
    return Error(shown(region) +
                 " is not a region but looks like an endpoint, which is for --proxy-endpoint");
  if (!consists_of(region, kRegionBytes) || region[0] == '-' || region.ends_with('-'))
    return Error(shown(region) + " is not a region, which is like 'us-east-1'");
  return {};
}

}  // namespace localproxy::config
