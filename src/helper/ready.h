// What a process says of its sandbox: its status as the message that every helper begins with.
#pragma once

#include "ipc/messages.h"
#include "sandbox/enter.h"

namespace localproxy::helper {

inline ipc::Ready ready_of(const sandbox::Reached& reached) {
  ipc::Ready ready;
  ready.user = reached.uid;
  ready.group = reached.gid;
  ready.mdwe = reached.mdwe;
  ready.namespaces = reached.namespaces;
  ready.not_granted = reached.not_granted;
  ready.landlock_abi = static_cast<uint8_t>(reached.landlock_abi);
  ready.system_calls = reached.system_calls;
  return ready;
}

}  // namespace localproxy::helper
