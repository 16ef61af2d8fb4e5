// Ports, hosts, endpoints and maps of services: text to values. Every function takes exactly what its comment
// says and nothing around it; an error says which part of the text is wrong.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/config.h"

namespace localproxy::config {

enum class ZeroPort : uint8_t { kRefused, kAllowed };

// 1 to 65535 in decimal digits, without sign, blanks or leading zeros; 0 where it is allowed.
Result<uint16_t> parse_port(std::string_view text, ZeroPort zero);

// Accepts a host name of [A-Za-z0-9._-]{1,253}, and the literal of an IPv4 or IPv6 address. An error says why
// text is neither.
Result<> check_host(std::string_view text);

// What check_host() accepts, and an IPv6 address in brackets or with an interface, by name or number. Returns
// it as a run uses it: without brackets, the interface by number. An interface that this machine does not
// have is an error.
Result<std::string> parse_host(std::string_view text);

// [a-zA-Z0-9:_-]{1,128}, as the service defines it.
Result<> check_service_id(std::string_view text);

// HOST, HOST:PORT, [IPV6] or [IPV6]:PORT; the port is 443 when absent.
Result<Endpoint> parse_endpoint(std::string_view text);

// PORT, HOST:PORT, [IPV6]:PORT, [IPV6%INTERFACE]:PORT or a path with a '/' in it; for a source also '-', and
// port 0 for any free one.
Result<LocalAddress> parse_local_address(std::string_view text, Mode mode);

// One address, or SERVICE=ADDRESS entries with commas between them. Blanks around entries, service ids and
// addresses are ignored, and so are commas with nothing between them.
Result<std::vector<ServiceMapping>> parse_map(std::string_view text, Mode mode);

// Text as error texts show it: in single quotes, unprintable bytes escaped, cut when it is long. What may be
// a token is not shown.
std::string shown(std::string_view text);

}  // namespace localproxy::config
