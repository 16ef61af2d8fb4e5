// What SETUP adds to the policy of launch, for launch itself and for --sandbox-policy, which prints it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ipc/messages.h"
#include "sandbox/name_services.h"
#include "sandbox/policy.h"

namespace localproxy {

// programs: descriptors of the files that it may run.
inline sandbox::PolicyInputs launch_inputs(const ipc::Setup& setup, std::vector<int> programs) {
  sandbox::PolicyInputs inputs{.programs = std::move(programs),
                               .certificate_directories = setup.ca_paths.value,
                               .needs = sandbox::name_service_needs(setup.local_names)};
  for (const std::string& file : {setup.ca_file.value, setup.crl_file.value, setup.cert_file.value})
    if (!file.empty()) inputs.certificate_files.push_back(file);
  return inputs;
}

}  // namespace localproxy
