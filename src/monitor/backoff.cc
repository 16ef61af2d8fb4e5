#include "monitor/backoff.h"

#include <algorithm>

#include "base/limits.h"

namespace localproxy::monitor {

std::chrono::milliseconds Backoff::next(uint32_t random) {
  const auto half = next_ / 2;
  const auto wait = half + std::chrono::milliseconds(half.count() == 0 ? 0 : random % half.count());
  next_ = std::max(first_, std::min(next_ * 2, limits::kBackoffMost));
  return wait;
}

}  // namespace localproxy::monitor
