#include "base/result.h"

#include <string.h>

#include "base/exhaustion.h"

namespace localproxy {

Error system_error(const std::string& what, int error_number) {
  // Not strerror(), which looks for a translation.
  const char* name = ::strerrordesc_np(error_number);
  std::string text = what + ": " + (name != nullptr ? name : "Unknown error " + std::to_string(error_number));
  text += remedy(error_number);
  return Error(std::move(text), ErrorCode::kSystem, error_number);
}

}  // namespace localproxy
