#include "monitor/startup.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "config/web_proxy.h"

namespace localproxy::monitor {

bool fill_standard_descriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    // fd is the lowest free number. Opened for the direction that nobody uses.
    if (::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd) return false;
  }
  return true;
}

void raise_limits() {
  for (const auto resource : {RLIMIT_NOFILE, RLIMIT_MEMLOCK}) {
    rlimit limit{};
    if (::getrlimit(resource, &limit) != 0) continue;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(resource, &limit);
  }
}

Result<> check_descriptors(size_t services) {
  rlimit limit{};
  const size_t least = limits::kLeastDescriptors + 2 * services;
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= least) return {};
  return Error("this process may have " + std::to_string(limit.rlim_cur) + " descriptors and needs " +
               std::to_string(least) + ": raise the limit (ulimit -n " + std::to_string(least) +
               ", LimitNOFILE=" + std::to_string(least) + " of systemd), or better to the usual 1024");
}

ipc::Setup launcher_setup(const config::Config& config, uid_t user, gid_t group) {
  ipc::Setup setup = setup_of(config, ::getpid());
  add_roots(config, setup);
  setup.user = user;
  setup.group = group;
  return setup;
}

bool uses_stdio(const config::Config& config) {
  return std::ranges::any_of(config.services, [](const config::ServiceMapping& mapping) {
    return mapping.address.kind == config::LocalAddress::Kind::kStdio;
  });
}

std::string Startup::bind_host() const {
  return config_.bind_address.empty() ? "localhost" : config_.bind_address;
}

void Startup::look_up_names() {
  look_up(bind_host());
  if (config_.mode != config::Mode::kSource) return;
  for (const config::ServiceMapping& mapping : config_.services)
    if (!mapping.address.host.empty()) look_up(mapping.address.host);
}

void Startup::look_up(const std::string& host) {
  if (!known_addresses(host, 0).empty() || found_.contains(host)) return;
  found_.emplace(host, Error("no answer"));
  ++waiting_;
  questions_.push_back(resolver_.look_up(host, 0, [this, host](Result<Addresses> addresses) {
    if (!addresses) addresses = cannot_resolve(host, addresses.error());
    found_.at(host) = std::move(addresses);
    --waiting_;
    on_change_();
  }));
}

Result<std::vector<Address>> Startup::bind_addresses() const {
  return addresses_of(bind_host(), "-b");
}

std::vector<std::string> Startup::warnings() const {
  std::vector<std::string> warnings;
  // A destination connects from there, which opens nothing.
  if (config_.mode != config::Mode::kSource) return warnings;
  for (const auto& [host, addresses] : found_) {
    if (!addresses) continue;
    const auto any = std::ranges::find_if(*addresses, is_any);
    if (any == addresses->end()) continue;
    warnings.push_back("the name " + host + " stands for " + host_of(*any) +
                       ", every address of this machine: whoever can reach one of them can use the tunnel");
  }
  return warnings;
}

Result<std::vector<ServiceListener>> Startup::bind_all(const std::vector<Address>& on) const {
  std::vector<ServiceListener> listeners;
  if (config_.mode != config::Mode::kSource) return listeners;
  for (const config::ServiceMapping& mapping : config_.services) {
    const std::string& host = mapping.address.host;
    auto addresses = host.empty() ? on : addresses_of(host, "-s");
    if (!addresses) return addresses.error();
    auto listener = bind_service(mapping, *addresses);
    if (!listener) return listener.error();
    listeners.push_back(std::move(*listener));
  }
  return listeners;
}

Result<std::vector<Address>> Startup::addresses_of(const std::string& host, const std::string& option) const {
  if (auto known = known_addresses(host, 0); !known.empty()) return known;
  const Result<Addresses>& addresses = found_.at(host);
  if (!addresses) return addresses.error().about(option);
  return addresses;
}

Result<> give_away(const std::vector<ServiceListener>& listeners, uid_t user, gid_t group) {
  for (const ServiceListener& listener : listeners) {
    if (listener.file.path().empty()) continue;
    if (auto given = listener.file.give_to(user, group); !given) return given;
  }
  return {};
}

}  // namespace localproxy::monitor
