// localproxy-bridge: bytes between local sockets and channels. It connects nothing and parses nothing.
#include "bridge/process.h"
#include "main/child.h"

int main() {
  using namespace localproxy;
  Child child(ipc::Role::kBridge);
  child.wait_for_setup();
  bridge::Process process(child.loop(), child.log(), child.monitor());
  child.enter_sandbox(sandbox::kBridgePolicy, {});
  return child.run();
}
