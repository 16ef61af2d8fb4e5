#include "config/client_token.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <nettle/hmac.h>
#include <utility>

#include "base/fd.h"
#include "config/endpoint.h"
#include "config/tokens.h"

namespace localproxy::config {
namespace {

constexpr const char* kKeyFile = "client-token.key";
constexpr std::string_view kHexDigits = "0123456789abcdef";

using Key = std::array<char, kClientKeySize>;

// At most 256 bytes, which the kernel gives whole.
Result<> fill_randomly(char* bytes, size_t size) {
  ssize_t got;
  do {
    got = ::getrandom(bytes, size, 0);
  } while (got < 0 && errno == EINTR);
  if (got != static_cast<ssize_t>(size)) return system_error("getrandom", got < 0 ? errno : EIO);
  return {};
}

std::string hexadecimal(const char* bytes, size_t size) {
  std::string digits;
  for (size_t i = 0; i < size; ++i) {
    const auto byte = static_cast<uint8_t>(bytes[i]);
    digits += {kHexDigits[byte >> 4], kHexDigits[byte & 0x0f]};
  }
  return digits;
}

// Creates the directories of path. Returns 0 or an errno.
int make_directories(const std::string& path) {
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    if (::mkdir(path.substr(0, end).c_str(), 0700) != 0 && errno != EEXIST) {
      const int error_number = errno;
      // A read-only file system may say so of a directory that exists.
      if (::access(path.substr(0, end).c_str(), F_OK) != 0) return error_number;
    }
    if (end == std::string::npos) return 0;
  }
}

// others: the permissions that others must not have.
Result<> check_owner(const struct stat& status, mode_t others, const std::string& path) {
  if (status.st_uid != ::geteuid()) return Error(shown(path) + " belongs to another user");
  if ((status.st_mode & others) != 0)
    return Error("other users may " + std::string((others & S_IRGRP) != 0 ? "read or write " : "write to ") +
                 shown(path) + "; use chmod to prevent that");
  return {};
}

// No value: there is no such file.
Result<std::optional<Secret>> read_key(int directory, const std::string& path) {
  const UniqueFd file(
      ::openat(directory, kKeyFile, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
  if (!file && errno == ENOENT) return std::optional<Secret>();
  if (!file) return system_error("cannot open " + shown(path), errno);
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return system_error(shown(path), errno);
  if (!S_ISREG(status.st_mode)) return Error(shown(path) + " is not a regular file");
  if (auto good = check_owner(status, 0077, path); !good) return good.error();
  Key key;
  const ssize_t got = ::pread(file.get(), key.data(), key.size(), 0);
  std::optional<Secret> secret{std::string_view(key.data(), key.size())};
  wipe(key.data(), key.size());
  if (got != static_cast<ssize_t>(key.size()) || status.st_size != got)
    return Error(shown(path) + " does not hold a key of 32 bytes; remove the file");
  return secret;
}

// Writes a key under a name of its own and links it to the final name, which so never names half a key.
// Returns 0 or an errno; EEXIST if another process was faster.
int write_key(int directory, const Key& key) {
  char unique[8];
  if (!fill_randomly(unique, sizeof unique)) return EIO;
  const std::string name = std::string(kKeyFile) + "." + hexadecimal(unique, sizeof unique);
  UniqueFd file(
      ::openat(directory, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file) return errno;
  errno = EIO;
  const bool written = write_all(file.get(), {key.data(), key.size()}).ok() && ::fsync(file.get()) == 0 &&
                       ::linkat(directory, name.c_str(), directory, kKeyFile, 0) == 0;
  const int error_number = written ? 0 : errno;
  ::unlinkat(directory, name.c_str(), 0);
  return error_number;
}

}  // namespace

Secret hmac_sha256(std::string_view key, std::string_view text) {
  hmac_sha256_ctx context;
  std::array<uint8_t, SHA256_DIGEST_SIZE> digest;
  hmac_sha256_set_key(&context, key.size(), reinterpret_cast<const uint8_t*>(key.data()));
  hmac_sha256_update(&context, text.size(), reinterpret_cast<const uint8_t*>(text.data()));
  hmac_sha256_digest(&context, digest.size(), digest.data());
  std::array<char, 2 * SHA256_DIGEST_SIZE> digits;
  for (size_t i = 0; i < digest.size(); ++i) {
    digits[2 * i] = kHexDigits[digest[i] >> 4];
    digits[2 * i + 1] = kHexDigits[digest[i] & 0x0f];
  }
  Secret result{std::string_view(digits.data(), digits.size())};
  wipe(&context, sizeof context);
  wipe(digest.data(), digest.size());
  wipe(digits.data(), digits.size());
  return result;
}

std::string state_directory(Environment environment) {
  std::string path;
  if (const char* made = look_up(environment, "STATE_DIRECTORY")) {
    path = made;
    path = path.substr(0, path.find(':'));
  } else if (::geteuid() == 0) {
    return {};
  } else if (const char* state = look_up(environment, "XDG_STATE_HOME")) {
    path = std::string(state) + "/localproxy";
  } else if (const char* home = look_up(environment, "HOME")) {
    path = std::string(home) + "/.local/state/localproxy";
  }
  return path.starts_with('/') ? path : std::string();
}

Result<std::optional<Secret>> client_key(const std::string& directory, bool create, std::string& why_not) {
  const std::string path = directory + "/" + kKeyFile;
  const auto cannot_store = [&](int error_number) -> Result<std::optional<Secret>> {
    why_not = system_error("cannot create " + shown(path), error_number).text();
    return std::optional<Secret>();
  };
  if (const int failed = create ? make_directories(directory) : 0; failed != 0) return cannot_store(failed);
  const UniqueFd opened(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!opened && (create || errno != ENOENT)) return cannot_store(errno);
  if (opened) {
    struct stat status {};
    if (::fstat(opened.get(), &status) != 0) return system_error(shown(directory), errno);
    if (status.st_uid != ::geteuid()) {
      why_not = shown(directory) + " belongs to another user";
      return std::optional<Secret>();
    }
    if (auto good = check_owner(status, 0022, directory); !good) return good.error();
    auto found = read_key(opened.get(), path);
    if (!found || *found) return found;
  }
  Key key;
  if (auto filled = fill_randomly(key.data(), key.size()); !filled) return filled.error();
  std::optional<Secret> fresh{std::string_view(key.data(), key.size())};
  const int failed = create ? write_key(opened.get(), key) : 0;
  wipe(key.data(), key.size());
  if (!create) return fresh;
  if (failed != 0 && failed != EEXIST) return cannot_store(failed);
  ::fsync(opened.get());
  // Not the fresh one: another process may have been faster.
  auto kept = read_key(opened.get(), path);
  if (kept && !*kept) return cannot_store(ENOENT);
  return kept;
}

Result<ClientToken> make_client_token(const std::string& state_directory, const Secret& access_token,
                                      bool create) {
  ClientToken made;
  if (state_directory.empty()) {
    made.why_random = "there is no STATE_DIRECTORY, XDG_STATE_HOME or HOME for its key";
  } else {
    auto key = client_key(state_directory, create, made.why_random);
    if (!key) return key.error().about("the key of the client token");
    if (*key) made.key = std::move(**key);
  }
  if (!made.key.empty()) {
    made.token = hmac_sha256(made.key.reveal(), access_token.reveal());
    made.origin = "made from the access token, the same at every start";
    return made;
  }
  auto token = generate_client_token();
  if (!token) return token.error();
  made.token = std::move(*token);
  made.origin = "made for this run";
  return made;
}

}  // namespace localproxy::config
