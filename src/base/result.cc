#include "base/result.h"

#include <string.h>

#include "base/exhaustion.h"

namespace localproxy {

std::string error_text(int error_number) {
  // Not strerror(), which looks for a translation.
  const char* const text = ::strerrordesc_np(error_number);
  return text != nullptr ? text : "Unknown error " + std::to_string(error_number);
}

Error system_error(const std::string& what, int error_number) {
  std::string text = what + ": " + error_text(error_number);
  text += remedy(error_number);
  return Error(std::move(text), ErrorCode::kSystem, error_number);
}

}  // namespace localproxy
