#include "base/result.h"

#include <string.h>

namespace localproxy {

Error system_error(const std::string& what, int error_number) {
  char buffer[128];
  return Error(what + ": " + strerror_r(error_number, buffer, sizeof buffer));
}

}  // namespace localproxy
