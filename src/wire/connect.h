// CONNECT: the request that makes a web proxy pass bytes on to the service (RFC 9110, 9.3.6).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace localproxy::wire {

struct ConnectRequest {
  std::string_view authority;    // HOST:PORT of the service, an IPv6 address in brackets
  std::string_view credentials;  // USER:PASSWORD, any bytes; empty: Proxy-Authorization is left out
  std::string_view user_agent;
};

// The bytes of the request. An error: authority or user_agent is empty or has a byte that would break its
// line, or the request is longer than limits::kMaxUpgradeRequest. The result may hold secrets: the caller
// wipes it. No other copy of them is left behind, on errors neither.
Result<std::string> build_connect_request(const ConnectRequest& request);

}  // namespace localproxy::wire
