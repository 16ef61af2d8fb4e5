#include "sandbox/system_files.h"

#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string_view>

#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"

namespace localproxy::sandbox {
namespace {

// Bounds files that include each other.
constexpr int kMostIncludes = 8;
// Bytes of one file.
constexpr size_t kMostText = 64 * 1024;

bool is_too_wide(std::string_view directory) {
  static constexpr std::string_view kWide[] = {"/", "/dev", "/sys"};
  return std::ranges::find(kWide, directory) != std::end(kWide);
}

bool is_there(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0;
}

// The place of one file or link; "" for none.
std::string place_of(const std::string& path) {
  std::string directory = directory_of(path);
  if (is_there(directory)) return is_too_wide(directory) ? path : directory;
  while (!is_there(directory) && directory != "/")
    directory = directory_of(directory);
  return is_too_wide(directory) ? "" : directory;
}

std::vector<std::string> matches_of(const std::string& pattern) {
  glob_t found{};
  std::vector<std::string> paths;
  if (::glob(pattern.c_str(), 0, nullptr, &found) == 0)
    paths.assign(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  return paths;
}

// As ldconfig(8) reads it.
void read_linker_configuration(const std::string& path, int includes, std::vector<std::string>& directories) {
  static constexpr std::string_view kInclude = "include";
  static constexpr std::string_view kBlanks = " \t\r";
  const std::string text = text_of(path);
  for (size_t start = 0, end = 0; start < text.size(); start = end + 1) {
    end = std::min(text.find('\n', start), text.size());
    std::string_view line = std::string_view(text).substr(start, end - start);
    line = trim(line.substr(0, line.find('#')), kBlanks);
    if (line.starts_with('/')) {
      // "/" is a mistake, and would allow everything.
      if (!is_too_wide(line)) directories.emplace_back(line.substr(0, line.find('=')));
      continue;
    }
    if (!line.starts_with(kInclude) || includes == 0) continue;
    const std::string file(trim(line.substr(kInclude.size()), kBlanks));
    const std::string pattern = file.starts_with('/') ? file : directory_of(path) + "/" + file;
    for (const std::string& included : matches_of(pattern))
      read_linker_configuration(included, includes - 1, directories);
  }
}

}  // namespace

std::string text_of(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string text;
  std::array<char, 4'096> part;
  ssize_t size = 0;
  while (file && text.size() < kMostText && (size = ::read(file.get(), part.data(), part.size())) > 0)
    text.append(part.data(), static_cast<size_t>(size));
  return text;
}

std::vector<std::string> places_of(const std::vector<std::string>& files) {
  // What is on the way to the files, and how many links away from the nearest of them. A directory of
  // certificates has hundreds of links, most of them to each other, and each is read once.
  std::map<std::string, size_t> steps;
  Links links;
  for (const std::string& file : files) {
    std::string step = links.real(file);
    for (size_t depth = 0; !step.empty() && depth <= kMostLinks; ++depth) {
      const auto [known, is_new] = steps.try_emplace(step, depth);
      if (!is_new && known->second <= depth) break;
      known->second = depth;
      step = links.target(step);
    }
  }
  std::set<std::string> places, directories;
  for (const auto& [step, depth] : steps) {
    const std::string directory = directory_of(step);
    // Only in a directory that is too wide does each file have a place of its own.
    if (!directories.insert(directory).second && !is_too_wide(directory)) continue;
    if (std::string place = place_of(step); !place.empty()) places.insert(std::move(place));
  }
  return {places.begin(), places.end()};
}

std::vector<std::string> library_directories() {
  std::vector<std::string> directories;
  read_linker_configuration("/etc/ld.so.conf", kMostIncludes, directories);
  return directories;
}

}  // namespace localproxy::sandbox
