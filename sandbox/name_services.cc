#include "sandbox/name_services.h"

#include <sys/stat.h>

#include <algorithm>
#include <set>

#include "base/text.h"
#include "sandbox/system_files.h"

namespace localproxy::sandbox {
namespace {

// libc asks nscd, where it runs, whatever nsswitch.conf says.
constexpr const char* kNscd = "/var/run/nscd/socket";

// A module that asks a service of this machine.
struct Module {
  std::string_view name;
  const char* socket;
};
constexpr const char* kAvahi = "/var/run/avahi-daemon/socket";
constexpr Module kModules[] = {
    {"resolve", "/run/systemd/resolve/io.systemd.Resolve"},
    {"mdns", kAvahi},
    {"mdns4", kAvahi},
    {"mdns6", kAvahi},
    {"mdns_minimal", kAvahi},
    {"mdns4_minimal", kAvahi},
    {"mdns6_minimal", kAvahi},
};

bool is_socket_file(const char* path) {
  struct stat status {};
  return ::stat(path, &status) == 0 && S_ISSOCK(status.st_mode);
}

// The modules that are asked for hosts. Actions, such as [NOTFOUND=return], are among them, which does no
// harm.
std::set<std::string_view> host_modules(std::string_view nsswitch) {
  static constexpr std::string_view kHosts = "hosts:";
  static constexpr std::string_view kBlanks = " \t\r";
  std::set<std::string_view> modules;
  for (size_t start = 0, end = 0; start < nsswitch.size(); start = end + 1) {
    end = std::min(nsswitch.find('\n', start), nsswitch.size());
    std::string_view line = nsswitch.substr(start, end - start);
    line = trim(line.substr(0, line.find('#')), kBlanks);
    if (!line.starts_with(kHosts)) continue;
    for (line.remove_prefix(kHosts.size()); !line.empty();) {
      line = trim(line, kBlanks);
      const size_t size = std::min(line.find_first_of(kBlanks), line.size());
      modules.insert(line.substr(0, size));
      line.remove_prefix(size);
    }
  }
  return modules;
}

}  // namespace

Needs name_service_needs(std::string_view nsswitch, const std::function<bool(const char*)>& is_socket) {
  const auto modules = host_modules(nsswitch);
  const bool local = std::ranges::any_of(kModules, [&](const Module& module) {
    return modules.contains(module.name) && is_socket(module.socket);
  });
  Needs needs = 0;
  if (local || is_socket(kNscd)) needs |= kUnixSockets;
  if (modules.contains("myhostname")) needs |= kInterfaces;
  return needs;
}

Needs name_service_needs() {
  std::string nsswitch = text_of("/etc/nsswitch.conf");
  if (nsswitch.empty()) nsswitch = text_of("/usr/etc/nsswitch.conf");
  return name_service_needs(nsswitch, is_socket_file);
}

}  // namespace localproxy::sandbox
