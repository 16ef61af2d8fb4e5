#include "base/path.h"

#include <linux/limits.h>
#include <stdlib.h>
#include <unistd.h>

namespace localproxy {
namespace {

// The kernel follows no more (path_resolution(7)).
constexpr int kMostLinks = 40;

// The path with its directory's real name in it, or the path itself.
std::string with_real_directory(const std::string& path) {
  char real[PATH_MAX];
  if (::realpath(directory_of(path).c_str(), real) == nullptr) return path;
  const std::string directory = real;
  return (directory == "/" ? "" : directory) + path.substr(path.rfind('/'));
}

}  // namespace

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

std::vector<std::string> link_chain(const std::string& path) {
  std::vector<std::string> chain{with_real_directory(path)};
  while (chain.size() <= kMostLinks) {
    char target[PATH_MAX];
    const ssize_t size = ::readlink(chain.back().c_str(), target, sizeof target);
    if (size <= 0) break;
    const std::string text(target, static_cast<size_t>(size));
    chain.push_back(
        with_real_directory(text.starts_with('/') ? text : directory_of(chain.back()) + "/" + text));
  }
  return chain;
}

}  // namespace localproxy
