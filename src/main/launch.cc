// localproxy-launch: starts the other helpers, each from the file that the monitor opened at the start.
#include "launch/process.h"
#include "main/child.h"
#include "main/reach.h"

int main() {
  using namespace localproxy;
  Child child(ipc::Role::kLaunch);
  const ipc::Setup& setup = child.wait_for_setup();
  launch::Process process(
      child.loop(), child.monitor(),
      {UniqueFd(kNetProgramFd), UniqueFd(kBridgeProgramFd), UniqueFd(kResolveProgramFd), UniqueFd(kNullFd)});
  child.enter_sandbox(sandbox::kLaunchPolicy,
                      launch_reach(setup, {kNetProgramFd, kBridgeProgramFd, kResolveProgramFd}));
  return child.run();
}
