// How a link ended, as the monitor is told.
#pragma once

#include <cstdint>
#include <string>

#include "ipc/messages.h"

namespace localproxy::net {

struct LinkEnd {
  ipc::DownReason what = ipc::DownReason::kLost;
  uint16_t retry_after = 0;  // seconds; 0: the service does not say
  uint16_t close_code = 0;
  std::string reason;
};

}  // namespace localproxy::net
