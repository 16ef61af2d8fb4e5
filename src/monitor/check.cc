#include "monitor/check.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <unistd.h>

#include "base/directory.h"
#include "base/log.h"
#include "base/text.h"
#include "config/certificates.h"

namespace localproxy::monitor {
namespace {

std::string line(const std::string& name, const std::string& value) {
  return name + ": " + escape_for_log(value) + "\n";
}

std::string own_user() {
  const uid_t uid = ::geteuid();
  const passwd* entry = ::getpwuid(uid);
  return (entry != nullptr ? std::string(entry->pw_name) + ", " : "") + "user id " + std::to_string(uid);
}

// The services of --config-dir: a tunnel may have them or not, so a busy port is no error yet.
std::string known_ports(const config::Config& config, const std::vector<Address>& on) {
  std::string lines;
  if (config.mode != config::Mode::kSource) return lines;
  for (const config::ServiceMapping& mapping : config.known_services) {
    if (mapping.address.kind != config::LocalAddress::Kind::kTcp || mapping.address.port == 0) continue;
    const auto listener = bind_service(mapping, listen_addresses(mapping, on));
    if (!listener) lines += line("for service " + mapping.service, listener.error().text());
  }
  return lines;
}

// A destination connects from this address; only binding to it shows that the machine has it.
Result<> check_bind_address(const config::Config& config, const std::vector<Address>& on) {
  if (config.mode == config::Mode::kSource || config.bind_address.empty()) return {};
  if (auto bound = bind_listener(on); !bound) return bound.error().about("-b");
  return {};
}

Error not_readable(const char* option, const std::string& path, int error) {
  const Error why = system_error(std::string(option) + " " + path + " as " + own_user(), error);
  return why.reworded(why.text() + "; the certificates are read by that user");
}

Result<> check_file(const char* option, const std::string& path) {
  if (!path.empty() && ::access(path.c_str(), R_OK) != 0) return not_readable(option, path, errno);
  return {};
}

// A directory without a single readable file is of no use either.
Result<> check_directory(const char* option, const std::string& path) {
  if (::access(path.c_str(), R_OK | X_OK) != 0) return not_readable(option, path, errno);
  Result<> refused;
  for (const std::string& file : files_in(path)) {
    if (::access(file.c_str(), R_OK) == 0) return {};
    if (errno == EACCES && refused) refused = not_readable(option, file, errno);
  }
  return refused;
}

std::string path_of(int fd) {
  char path[PATH_MAX];
  const ssize_t size = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path, sizeof path);
  return size > 0 ? std::string(path, static_cast<size_t>(size)) : "there";
}

}  // namespace

// net reads them, as this user.
Result<> check_certificates(const config::Config& config) {
  if (!config::needs_roots(config)) return {};
  for (const std::string& path : config.ca_paths)
    if (auto good = check_directory("--capath", path); !good) return good;
  for (const std::string& path : config.cert_paths.value_or(std::vector<std::string>()))
    if (auto good = check_directory("SSL_CERT_DIR", path); !good) return good;
  if (auto good = check_file("--cafile", config.ca_file); !good) return good;
  if (auto good = check_file("--crlfile", config.crl_file); !good) return good;
  return check_file("SSL_CERT_FILE", config.cert_file.value_or(""));
}

std::vector<std::string> give_back(std::vector<ServiceListener>& listeners) {
  std::vector<std::string> places;
  for (const ServiceListener& listener : listeners)
    places.push_back(listener.addresses.empty() ? listener.name()
                                                : join(listener.addresses, ", ", [](const Address& address) {
                                                    return to_string(address);
                                                  }));
  listeners.clear();
  return places;
}

Result<std::string> check_machine(const config::Config& config, const Helpers& helpers,
                                  const std::vector<std::string>& can_listen, const std::vector<Address>& on,
                                  int landlock_abi) {
  if (auto good = check_bind_address(config, on); !good) return good.error();
  if (auto good = check_certificates(config); !good) return good.error();
  if (config.landlock && landlock_abi == 0)
    return Error("this kernel has no Landlock; --sandbox=no-landlock does without it");

  std::string lines;
  for (const std::string& place : can_listen)
    lines += line("can listen on", place);
  lines += known_ports(config, on);
  lines += line("runs as", own_user());
  if (!config.access_token_file.empty()) {
    const bool readable = ::access(config.access_token_file.c_str(), R_OK) == 0;
    lines += line("SIGHUP reads the token again", readable ? "yes" : "NO, that user may not read the file");
  }
  for (const ipc::Role role : {ipc::Role::kNet, ipc::Role::kBridge, ipc::Role::kResolve, ipc::Role::kLaunch})
    lines += line("helper", path_of(helpers.fd(role)));
  lines += line("sandbox",
                "no-new-privileges, no capabilities, seccomp" +
                    (config.landlock ? ", Landlock ABI " + std::to_string(landlock_abi) : std::string()));
  return lines;
}

}  // namespace localproxy::monitor
