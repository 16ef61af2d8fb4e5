// Which name services of this machine need more than files and DNS. What none of them needs, neither resolve
// nor launch may do.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "sandbox/policy.h"

namespace localproxy::sandbox {

// The needs of a machine with this nsswitch.conf, on which there are these sockets.
Needs name_service_needs(std::string_view nsswitch, const std::function<bool(const char*)>& is_socket);
// Of this machine, now.
Needs name_service_needs();

}  // namespace localproxy::sandbox
