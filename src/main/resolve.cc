// localproxy-resolve: one name lookup. It holds nothing.
#include "main/child.h"
#include "resolve/process.h"

namespace {

// What libc's name services read: configuration, hosts, modules, and the sockets of local resolvers.
localproxy::sandbox::LandlockRules reach() {
  return {
      .read = {"/etc", "/usr/lib", "/lib", "/lib64", "/usr/lib64", "/run/systemd/resolve", "/run/resolvconf",
               "/run/NetworkManager", "/run/nscd", "/run/systemd/machines", "/usr/share/zoneinfo"},
      .connect_ports = {localproxy::kDnsPort}};
}

}  // namespace

int main() {
  using namespace localproxy;
  Child child(ipc::Role::kResolve, "localproxy-resolve");
  child.wait_for_setup();
  resolve::Process process(child.loop(), child.monitor());
  child.enter_sandbox(sandbox::kResolvePolicy, reach());
  return child.run();
}
