// localproxy-launch: starts the other helpers, each from the file that the monitor opened at the start.
#include "launch/process.h"
#include "main/child.h"

namespace {

using namespace localproxy;

// What a helper needs between its start and its own sandbox, which is in force in all of them: libraries,
// certificates, resolver files, /proc/self.
sandbox::LandlockRules reach(const ipc::Setup& setup) {
  sandbox::LandlockRules rules;
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
  rules.execute_files = {kNetProgramFd, kBridgeProgramFd, kResolveProgramFd};
  rules.connect_ports = {kDnsPort};
  return rules;
}

}  // namespace

int main() {
  Child child(ipc::Role::kLaunch, "localproxy-launch");
  const ipc::Setup& setup = child.wait_for_setup();
  launch::Process process(
      child.loop(), child.log(), child.monitor(),
      {UniqueFd(kNetProgramFd), UniqueFd(kBridgeProgramFd), UniqueFd(kResolveProgramFd), UniqueFd(kNullFd)});
  child.enter_sandbox(sandbox::kLaunchPolicy, reach(setup));
  return child.run();
}
