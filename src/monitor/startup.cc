#include "monitor/startup.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "monitor/local_names.h"

namespace localproxy::monitor {

bool fill_standard_descriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    // The lowest free number is this one. Opened for the direction that nobody uses.
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

Result<std::vector<Address>> Startup::bind_addresses() const {
  return look_up(config_.bind_address.empty() ? "localhost" : config_.bind_address, "-b");
}

Result<std::vector<Listener>> Startup::bind_all(const std::vector<Address>& on) const {
  std::vector<Listener> listeners;
  if (config_.mode != config::Mode::kSource) return listeners;
  for (const config::ServiceMapping& mapping : config_.services) {
    const std::string& host = mapping.address.host;
    auto addresses = host.empty() ? on : look_up(host, "-s");
    if (!addresses) return addresses.error();
    auto listener = bind_service(mapping, *addresses);
    if (!listener) return listener.error();
    listeners.push_back(std::move(*listener));
  }
  return listeners;
}

Result<std::vector<Address>> Startup::look_up(const std::string& host, const std::string& option) const {
  auto addresses =
      local_addresses(host, loop_, log_, launcher_, setup_of(config_, launcher_.pid()));
  if (!addresses) return addresses.error().about(option);
  return addresses;
}

Result<> give_away(const std::vector<Listener>& listeners, uid_t user, gid_t group) {
  for (const Listener& listener : listeners) {
    if (listener.file.path().empty()) continue;
    if (auto given = listener.file.give_to(user, group); !given) return given;
  }
  return {};
}

}  // namespace localproxy::monitor
