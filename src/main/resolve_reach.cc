#include "main/reach.h"

namespace localproxy {

// What libc's name services read: their configuration, their modules, and what local resolvers leave for
// them.
sandbox::LandlockRules resolve_reach() {
  return {.read = {"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf",
                   "/etc/services", "/etc/mdns.allow", "/etc/ld.so.cache", "/usr/lib", "/lib", "/lib64",
                   "/usr/lib64", "/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager",
                   "/run/nscd", "/run/systemd/machines"},
          .connect_ports = {kDnsPort}};
}

}  // namespace localproxy
