// Which name services of this machine need more than files and DNS. What none of them needs, neither resolve
// nor launch may do.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "sandbox/policy.h"

namespace localproxy::sandbox {

// What libc is told to ask.
struct NameServices {
  std::string_view nsswitch;  // the contents of nsswitch.conf and resolv.conf
  std::string_view resolv_conf;
  bool local_names = false;  // the run looks up a name that ends in .local
};

// The needs of a machine on which there are these sockets.
Needs name_service_needs(const NameServices& services, const std::function<bool(const char*)>& is_socket);
// Of this machine, now.
Needs name_service_needs(bool local_names);

}  // namespace localproxy::sandbox
