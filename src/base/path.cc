#include "base/path.h"

#include <linux/limits.h>
#include <stdlib.h>
#include <unistd.h>

#include <utility>

namespace localproxy {

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

std::string Links::real(const std::string& path) {
  auto [entry, is_new] = directories_.try_emplace(directory_of(path));
  std::string& directory = entry->second;
  if (is_new) {
    char real[PATH_MAX];
    directory = ::realpath(entry->first.c_str(), real) != nullptr ? real : "";
  }
  if (directory.empty()) return path;
  return (directory == "/" ? "" : directory) + path.substr(path.rfind('/'));
}

std::string Links::target(const std::string& path) {
  char target[PATH_MAX];
  const ssize_t size = ::readlink(path.c_str(), target, sizeof target);
  if (size <= 0) return {};
  const std::string text(target, static_cast<size_t>(size));
  return real(text.starts_with('/') ? text : directory_of(path) + "/" + text);
}

std::vector<std::string> link_chain(const std::string& path) {
  Links links;
  std::vector<std::string> chain{links.real(path)};
  while (chain.size() <= kMostLinks) {
    std::string next = links.target(chain.back());
    if (next.empty()) break;
    chain.push_back(std::move(next));
  }
  return chain;
}

}  // namespace localproxy
