#include "sandbox/name_services.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/text.h"
#include "sandbox/system_files.h"

namespace localproxy::sandbox {
namespace {

// libc asks nscd, where it runs, whatever nsswitch.conf says.
constexpr const char* kNscd = "/var/run/nscd/socket";
constexpr const char* kResolved = "/run/systemd/resolve/io.systemd.Resolve";
constexpr const char* kAvahi = "/var/run/avahi-daemon/socket";

// systemd-resolved answers at these addresses, too, as a DNS server.
constexpr std::array kStubs = {"127.0.0.53", "127.0.0.54"};

bool is_socket_file(const char* path) {
  struct stat status {};
  return ::stat(path, &status) == 0 && S_ISSOCK(status.st_mode);
}

// The words behind a keyword, of all lines that begin with it.
std::vector<std::string_view> words_of(std::string_view text, std::string_view keyword) {
  static constexpr std::string_view kBlanks = " \t\r";
  std::vector<std::string_view> words;
  for (size_t start = 0, end = 0; start < text.size(); start = end + 1) {
    end = std::min(text.find('\n', start), text.size());
    std::string_view line = text.substr(start, end - start);
    line = trim(line.substr(0, line.find('#')), kBlanks);
    if (!line.starts_with(keyword)) continue;
    for (line.remove_prefix(keyword.size()); !line.empty();) {
      line = trim(line, kBlanks);
      const size_t size = std::min(line.find_first_of(kBlanks), line.size());
      words.push_back(line.substr(0, size));
      line.remove_prefix(size);
    }
  }
  return words;
}

bool is_stub(std::string_view server) {
  return std::ranges::find(kStubs, server) != kStubs.end();
}

}  // namespace

Needs name_service_needs(const NameServices& services, const std::function<bool(const char*)>& is_socket) {
  // Actions, such as [NOTFOUND=return], are among the modules, which does no harm.
  const auto modules = words_of(services.nsswitch, "hosts:");
  const auto has = [&modules](std::string_view module) {
    return std::ranges::find(modules, module) != modules.end();
  };
  const auto servers = words_of(services.resolv_conf, "nameserver");
  const bool by_dns = has("dns") && !servers.empty() && is_stub(servers.front());
  // The minimal ones know only names that end in .local; the others what mdns.allow says.
  const bool mdns = has("mdns") || has("mdns4") || has("mdns6");
  const bool minimal_mdns = has("mdns_minimal") || has("mdns4_minimal") || has("mdns6_minimal");
  Needs needs = 0;
  if (is_socket(kNscd)) needs |= kUnixSockets;
  if (has("resolve") && !by_dns && is_socket(kResolved)) needs |= kUnixSockets;
  if ((mdns || (minimal_mdns && services.local_names)) && is_socket(kAvahi)) needs |= kUnixSockets;
  if (has("myhostname")) needs |= kInterfaces;
  return needs;
}

Needs name_service_needs(bool local_names) {
  std::string nsswitch = text_of("/etc/nsswitch.conf");
  if (nsswitch.empty()) nsswitch = text_of("/usr/etc/nsswitch.conf");
  const std::string resolv_conf = text_of("/etc/resolv.conf");
  return name_service_needs({.nsswitch = nsswitch, .resolv_conf = resolv_conf, .local_names = local_names},
                            is_socket_file);
}

}  // namespace localproxy::sandbox
