// The exit statuses of `localproxy`. Numbers from 64 up follow <sysexits.h>.
#pragma once

namespace localproxy {

enum class ExitStatus : int {
  kSuccess = 0,       // SIGTERM or SIGINT, or the service closed the tunnel
  kUsage = 1,         // command line or configuration
  kUnavailable = 69,  // retries used up
  kSystem = 71,       // system error, a helper is missing or died, the sandbox refused
  kCannotBind = 73,   // a local listener could not be bound
  kProtocol = 76,     // protocol error with reconnecting turned off, or services do not match
  kRefused = 77,      // the service refused the token (4xx)
};

}  // namespace localproxy
