// localproxy-launch: starts the other helpers, each from the file that the monitor opened at the start.
#include "launch/process.h"
#include "main/child.h"

int main() {
  using namespace localproxy;
  Child child(ipc::Role::kLaunch);
  const ipc::Setup& setup = child.wait_for_setup();
  launch::Process process(
      child.loop(), child.monitor(),
      {UniqueFd(kNetProgramFd), UniqueFd(kBridgeProgramFd), UniqueFd(kResolveProgramFd), UniqueFd(kNullFd)});
  sandbox::PolicyInputs inputs{.programs = {kNetProgramFd, kBridgeProgramFd, kResolveProgramFd},
                               .certificate_directories = setup.ca_paths.value};
  for (const std::string& file : {setup.ca_file.value, setup.cert_file.value})
    if (!file.empty()) inputs.certificate_files.push_back(file);
  child.enter_sandbox(sandbox::kLaunchPolicy, inputs);
  return child.run();
}
