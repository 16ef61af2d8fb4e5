// The proxy variables that most network programs know: https_proxy and no_proxy.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/command_line.h"
#include "config/config.h"

namespace localproxy::config {

// SCHEME://[USER[:PASSWORD]@]HOST[:PORT][/], scheme http or https, user and password percent-encoded. Errors
// show nothing of the text, because it may hold a password.
Result<WebProxy> parse_web_proxy(std::string_view text);

// Entries with commas or blanks between them.
std::vector<std::string> parse_no_proxy(std::string_view text);

// An entry says that host is to be reached without a proxy: '*', the host itself, or a domain that it is in,
// with or without a dot in front.
bool exempt_from_proxy(std::string_view host, const std::vector<std::string>& no_proxy);

// Sets web_proxy and no_proxy from https_proxy, else HTTPS_PROXY, and no_proxy, else NO_PROXY. An endpoint
// that is exempt has no web_proxy. REQUIRES: config.endpoint.
Result<> read_proxy_variables(Environment environment, Config& config);

}  // namespace localproxy::config
