#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vector>

#include "base/fd.h"
#include "base/log.h"

namespace localproxy::service {
namespace {

std::vector<unsigned char> random_bytes(size_t count) {
  std::vector<unsigned char> bytes(count);
  check(RAND_bytes(bytes.data(), static_cast<int>(count)) == 1, "no random bytes");
  return bytes;
}

}  // namespace

Result<> make_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return system_error("mkdir " + path, errno);
  if (::chmod(path.c_str(), 0700) != 0) return system_error("chmod " + path, errno);
  return {};
}

Result<> write_atomically(const std::string& path, std::string_view content, mode_t mode) {
  const std::string draft = path + ".new";
  ::unlink(draft.c_str());
  const UniqueFd fd(::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!fd) return system_error("open " + draft, errno);
  while (!content.empty()) {
    const ssize_t written = ::write(fd.get(), content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_error("write " + draft, errno);
    content.remove_prefix(static_cast<size_t>(written));
  }
  if (::rename(draft.c_str(), path.c_str()) != 0) return system_error("rename " + draft, errno);
  return {};
}

std::string random_token(size_t bytes) {
  static constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string token;
  uint32_t bits = 0;
  int count = 0;
  for (const unsigned char byte : random_bytes(bytes)) {
    bits = bits << 8 | byte;
    for (count += 8; count >= 6; count -= 6)
      token += kAlphabet[bits >> (count - 6) & 0x3f];
  }
  if (count > 0) token += kAlphabet[bits << (6 - count) & 0x3f];
  return token;
}

std::string random_hex(size_t bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : random_bytes(bytes)) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 0xf];
  }
  return text;
}

}  // namespace localproxy::service
