#include "main/places.h"
#include "main/reach.h"

namespace localproxy {

// What libc's name services read: their configuration, their modules, and what local resolvers leave for
// them. The files themselves, wherever they are now: each lookup has a process of its own.
sandbox::LandlockRules resolve_reach() {
  std::vector<std::string> read = name_files();
  for (const char* directory :
       {"/usr/etc", "/usr/lib", "/lib", "/lib64", "/usr/lib64", "/run/systemd/resolve", "/run/resolvconf",
        "/run/NetworkManager", "/run/nscd", "/run/systemd/machines"})
    read.push_back(directory);
  for (const std::string& directory : library_directories())
    read.push_back(directory);
  return {.read = std::move(read), .connect_ports = {kDnsPort}};
}

}  // namespace localproxy
