// The proxy variables that most network programs know: https_proxy and no_proxy.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/config.h"
#include "config/environment.h"

namespace localproxy::config {

// SCHEME://[USER[:PASSWORD]@]HOST[:PORT][/], scheme http or https, user and password percent-encoded. Errors
// show nothing of the text, because it may hold a password.
Result<WebProxy> parse_web_proxy(std::string_view text);

// Entries with commas or blanks between them.
std::vector<std::string> parse_no_proxy(std::string_view text);

// The entry that exempts endpoint from the proxy, or null. An entry is '*', a host name or an address (IPv6
// with or without brackets), a domain that the host is in, with or without '.' or '*.' in front, or a network
// such as 10.0.0.0/8; all but '*' and networks may have a port, :443, and then mean only that port.
const std::string* find_exemption(const Endpoint& endpoint, const std::vector<std::string>& no_proxy);

// Sets web_proxy and no_proxy from https_proxy, else HTTPS_PROXY, and no_proxy, else NO_PROXY. For an exempt
// endpoint web_proxy stays unset, and exempted_by is set instead. REQUIRES: config.endpoint.
Result<> read_proxy_variables(Environment environment, Config& config);

// Where the tunnel's TCP connection goes: to the web proxy, or to the endpoint.
Endpoint first_hop(const Config& config);

}  // namespace localproxy::config
