// What users call the modes, and the versions of the protocol.
#pragma once

#include <string_view>

#include "config/config.h"

namespace localproxy::config {

struct ModeName {
  std::string_view text;
  Mode mode;
};

inline constexpr ModeName kModeNames[] = {
    {"src", Mode::kSource},
    {"source", Mode::kSource},
    {"dst", Mode::kDestination},
    {"destination", Mode::kDestination},
};

struct VersionName {
  std::string_view text;
  Version version;
};

inline constexpr VersionName kVersionNames[] = {{"V1", Version::kV1}, {"v1", Version::kV1},
                                                {"V2", Version::kV2}, {"v2", Version::kV2},
                                                {"V3", Version::kV3}, {"v3", Version::kV3}};

}  // namespace localproxy::config
