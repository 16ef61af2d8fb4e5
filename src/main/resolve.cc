// localproxy-resolve: one name lookup. It holds nothing.
#include "main/child.h"
#include "resolve/process.h"

int main() {
  using namespace localproxy;
  Child child(ipc::Role::kResolve);
  child.wait_for_setup();
  resolve::Process process(child.loop(), child.monitor());
  child.enter_sandbox(sandbox::kResolvePolicy, {});
  return child.run();
}
