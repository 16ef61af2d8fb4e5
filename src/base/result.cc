#include "base/result.h"

#include <string.h>

#include "base/exhaustion.h"

namespace localproxy {

Error system_error(const std::string& what, int error_number) {
  char buffer[128];
  std::string text = what + ": " + strerror_r(error_number, buffer, sizeof buffer);
  text += remedy(error_number);
  return Error(std::move(text));
}

}  // namespace localproxy
