// The two requests of a client of this service, and what the answer to the second must say: CONNECT, which
// makes a web proxy pass bytes on (RFC 9110, 9.3.6), and the upgrade of a TLS connection to a tunnel.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "wire/http.h"

namespace localproxy::wire {

struct ConnectRequest {
  std::string_view authority;    // HOST:PORT of the service, an IPv6 address in brackets
  std::string_view credentials;  // USER:PASSWORD, any bytes; empty: Proxy-Authorization is left out
  std::string_view user_agent;
};

// The bytes of the request. An error: authority or user_agent is empty or has a byte that would break its
// line, or the request is longer than limits::kMaxUpgradeRequest. The result may hold secrets: the caller
// wipes it. No other copy of them is left behind, not even on an error.
Result<std::string> build_connect_request(const ConnectRequest& request);

struct UpgradeRequest {
  std::string_view host;  // as the Host header has it: a name, or an address in brackets when it is IPv6
  std::string_view port;  // decimal; left out of Host when it is "443"
  std::string_view mode;  // "source" or "destination"
  std::string_view key;   // Sec-WebSocket-Key: 16 random bytes in Base64
  std::string_view subprotocol;  // "aws.iot.securetunneling-3.0"
  std::string_view access_token;
  std::string_view client_token;  // empty: the header is left out
  std::string_view user_agent;
};

// The bytes of the request. An error: one of the values is empty or has a byte that would break the line it
// stands in (anything but visible ASCII, and spaces in user_agent; no ',' in a token, since exactly one value
// is allowed), or the request is longer than limits::kMaxUpgradeRequest. The result holds secrets: the caller
// wipes it. No other copy of them is left behind, not even on an error.
Result<std::string> build_upgrade_request(const UpgradeRequest& request);

// What is wrong with the response to an upgrade that answered 101: `Upgrade` is not websocket, `Connection`
// has no upgrade, Sec-WebSocket-Accept is not expected_accept, the subprotocol is not the one that was asked
// for, an extension was chosen although none was offered. REQUIRES: response.status == 101.
Result<> check_upgrade_response(const HttpResponse& response, std::string_view expected_accept,
                                std::string_view subprotocol);

}  // namespace localproxy::wire
