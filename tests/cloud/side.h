// The two ends of a tunnel, and the breaches for which a proxy is closed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace localproxy::service {

enum class Side : uint8_t { kSource = 0, kDestination = 1 };

constexpr Side other(Side side) {
  return side == Side::kSource ? Side::kDestination : Side::kSource;
}
constexpr size_t index(Side side) {
  return static_cast<size_t>(side);
}
constexpr std::string_view to_string(Side side) {
  return side == Side::kSource ? "source" : "destination";
}

// WebSocket close codes that the service uses (RFC 6455, 7.4.1).
enum class CloseCode : uint16_t {
  kNormal = 1000,
  kGoingAway = 1001,
  kProtocolError = 1002,
  kUnsupported = 1003,
  kPolicy = 1008,
  kTooBig = 1009,
};

// A violation of the protocol by a proxy.
struct Breach {
  CloseCode code;
  std::string reason;
};

}  // namespace localproxy::service
