#include "base/directory.h"

#include <dirent.h>

#include <string_view>

namespace localproxy {

std::vector<std::string> files_in(const std::string& directory) {
  std::vector<std::string> files;
  DIR* const opened = ::opendir(directory.c_str());
  if (opened == nullptr) return files;
  while (const dirent* entry = ::readdir(opened))
    if (std::string_view(entry->d_name) != "." && std::string_view(entry->d_name) != "..")
      files.push_back(directory + "/" + entry->d_name);
  ::closedir(opened);
  return files;
}

}  // namespace localproxy
