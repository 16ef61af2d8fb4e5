// The resolve process: answers one LOOKUP through libc, then ends.
#pragma once

#include "base/log.h"
#include "event/loop.h"
#include "ipc/port.h"

namespace localproxy::resolve {

class ResolveProcess {
 public:
  ResolveProcess(event::Loop& loop, ipc::Port& monitor);

 private:
  void on_lookup(const ipc::Lookup& message);

  event::Loop& loop_;
  ipc::Port& monitor_;
};

}  // namespace localproxy::resolve
