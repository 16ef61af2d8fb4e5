// localproxy-bridge: moves bytes between local sockets and channels. It connects nothing and parses nothing.
#include "bridge/bridge_process.h"
#include "helper/helper_process.h"

int main() {
  using namespace localproxy;
  helper::HelperProcess self(ipc::Role::kBridge, sandbox::kBridgePolicy);
  self.wait_for_setup();
  bridge::BridgeProcess process(self.loop(), self.log(), self.monitor());
  self.enter_sandbox();
  return self.run();
}
