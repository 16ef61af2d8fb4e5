// localproxy-resolve: one name lookup. It holds nothing.
#include "helper/helper_process.h"
#include "resolve/resolve_process.h"
#include "sandbox/name_services.h"

int main() {
  using namespace localproxy;
  helper::HelperProcess self(ipc::Role::kResolve, sandbox::kResolvePolicy);
  const ipc::Setup& setup = self.wait_for_setup();
  resolve::ResolveProcess process(self.loop(), self.monitor());
  self.enter_sandbox({.needs = sandbox::name_service_needs(setup.local_names)});
  return self.run();
}
