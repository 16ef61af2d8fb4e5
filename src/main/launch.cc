// localproxy-launch: starts the other helpers, each from the file that the monitor opened at the start.
#include <string>

#include "helper/helper_process.h"
#include "ipc/descriptors.h"
#include "launch/launch_process.h"
#include "sandbox/name_services.h"

int main() {
  using namespace localproxy;
  helper::HelperProcess self(ipc::Role::kLaunch, sandbox::kLaunchPolicy);
  const ipc::Setup& setup = self.wait_for_setup();
  launch::LaunchProcess process(self.loop(), self.monitor(),
                                {UniqueFd(ipc::kNetProgramFd), UniqueFd(ipc::kBridgeProgramFd),
                                 UniqueFd(ipc::kResolveProgramFd), UniqueFd(ipc::kNullFd)});
  sandbox::PolicyInputs inputs{
      .programs = {ipc::kNetProgramFd, ipc::kBridgeProgramFd, ipc::kResolveProgramFd},
      .certificate_directories = setup.ca_paths.value,
      .needs = sandbox::name_service_needs(setup.local_names)};
  for (const std::string& file : {setup.ca_file.value, setup.crl_file.value, setup.cert_file.value})
    if (!file.empty()) inputs.certificate_files.push_back(file);
  self.enter_sandbox(inputs);
  return self.run();
}
