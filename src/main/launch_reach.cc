#include "ipc/messages.h"
#include "main/reach.h"

namespace localproxy {

// What a helper needs between its start and its own sandbox, which is in force in all of them: libraries,
// certificates, resolver files, /proc/self.
sandbox::LandlockRules launch_reach(const ipc::Setup& setup, const std::vector<int>& programs) {
  sandbox::LandlockRules rules;
  // Directories: files such as resolv.conf are renewed by renaming a new one over the old one.
  rules.read = {"/etc",
                "/usr",
                "/lib",
                "/lib64",
                "/proc",
                "/run/systemd/resolve",
                "/run/resolvconf",
                "/run/NetworkManager",
                "/run/nscd",
                "/run/systemd/machines"};
  rules.read.insert(rules.read.end(), setup.ca_paths.value.begin(), setup.ca_paths.value.end());
  if (!setup.ca_file.value.empty()) rules.read.push_back(setup.ca_file.value);
  // The program interpreter.
  rules.execute = {"/lib", "/lib64", "/usr/lib", "/usr/lib64"};
  rules.execute_files = programs;
  rules.connect_ports = {kDnsPort};
  return rules;
}

}  // namespace localproxy
