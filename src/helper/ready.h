// READY, the first message of every helper, made from the status of its sandbox. Apart from HelperProcess,
// because the monitor describes its own sandbox in the same way.
#pragma once

#include "ipc/messages.h"
#include "sandbox/enter.h"

namespace localproxy::helper {

inline ipc::Ready ready_of(const sandbox::SandboxStatus& status) {
  ipc::Ready ready;
  ready.user = status.uid;
  ready.group = status.gid;
  ready.mdwe = status.mdwe;
  ready.namespaces = status.namespaces;
  ready.not_granted = status.not_granted;
  ready.landlock_abi = static_cast<uint8_t>(status.landlock_abi);
  ready.system_calls = status.system_calls;
  return ready;
}

}  // namespace localproxy::helper
