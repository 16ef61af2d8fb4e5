#include "base/amount.h"

#include <array>

namespace localproxy {
namespace {

// A number of tenths, below 10 with its tenth if that is not 0.
std::string with_tenth(uint64_t tenths) {
  const std::string whole = std::to_string(tenths / 10);
  return tenths >= 100 || tenths % 10 == 0 ? whole : whole + "." + std::to_string(tenths % 10);
}

std::string two_units(int64_t value, int64_t per_unit, const char* large, const char* small) {
  const std::string text = std::to_string(value / per_unit) + large;
  return value % per_unit == 0 ? text : text + " " + std::to_string(value % per_unit) + small;
}

}  // namespace

std::string size_text(uint64_t bytes) {
  constexpr uint64_t kThousand = 1'000;
  if (bytes < kThousand) return std::to_string(bytes) + " B";
  if (bytes < kThousand * kThousand) return std::to_string(bytes / kThousand) + " kB";
  static constexpr std::array kUnits = {" MB", " GB", " TB", " PB", " EB"};
  size_t unit = 0;
  uint64_t tenths = bytes / (kThousand * kThousand / 10);
  for (; tenths >= 10 * kThousand && unit + 1 < kUnits.size(); ++unit)
    tenths /= kThousand;
  return with_tenth(tenths) + kUnits[unit];
}

std::string duration_text(std::chrono::milliseconds duration) {
  constexpr int64_t kMinute = 60;
  const int64_t seconds = duration.count() / 1'000;
  if (seconds < kMinute) return with_tenth(static_cast<uint64_t>(duration.count() / 100)) + " s";
  if (seconds < kMinute * kMinute) return two_units(seconds, kMinute, " min", " s");
  return two_units(seconds / kMinute, kMinute, " h", " min");
}

}  // namespace localproxy
