// localproxy-launch: starts the other helpers, each from the file that the monitor opened at the start.
#include "helper/helper_process.h"
#include "ipc/descriptors.h"
#include "launch/launch_process.h"
#include "main/launch_inputs.h"

int main() {
  using namespace localproxy;
  helper::HelperProcess self(ipc::Role::kLaunch, sandbox::kLaunchPolicy);
  const ipc::Setup& setup = self.wait_for_setup();
  launch::LaunchProcess process(self.loop(), self.monitor(),
                                {UniqueFd(ipc::kNetProgramFd), UniqueFd(ipc::kBridgeProgramFd),
                                 UniqueFd(ipc::kResolveProgramFd), UniqueFd(ipc::kNullFd)});
  self.enter_sandbox(
      launch_inputs(setup, {ipc::kNetProgramFd, ipc::kBridgeProgramFd, ipc::kResolveProgramFd}));
  return self.run();
}
