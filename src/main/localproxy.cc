// localproxy: the monitor. It reads the configuration, holds the secrets, binds and dials, and supervises the
// helpers.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string>
#include <variant>

#include "base/address.h"
#include "base/exit_status.h"
#include "config/command_line.h"
#include "config/describe.h"
#include "monitor/supervisor.h"
#include "sandbox/enter.h"
#include "sandbox/ids.h"

extern char** environ;

namespace {

using namespace localproxy;

// Where DNS servers listen: the resolve process inherits the monitor's limits and must reach them.
constexpr uint16_t kDnsPort = 53;

int leave(ExitStatus status) {
  return static_cast<int>(status);
}

int fail(Log& log, ExitStatus status, const Error& error) {
  log.write(LogLevel::kFatal, error.text());
  return leave(status);
}

// The addresses of -b, or of localhost.
Result<std::vector<Address>> bind_addresses(const config::Config& config) {
  const std::string host = config.bind_address.empty() ? "localhost" : config.bind_address;
  auto addresses = monitor::known_addresses(host, 0);
  if (addresses.empty())
    return Error("-b takes an address of this machine or localhost, not the name " + host);
  return addresses;
}

// What the command line can say and this version cannot do.
Result<> check_supported(const config::Config& config) {
  if (config.web_proxy) {
    return Error(
        "a web proxy is set (https_proxy), and this version cannot use one: unset it, or name the endpoint "
        "in no_proxy, if it can be reached directly");
  }
  if (config.mode != config::Mode::kSource) return {};
  for (const auto* mappings : {&config.services, &config.known_services}) {
    for (const config::ServiceMapping& mapping : *mappings) {
      if (mapping.address.kind != config::LocalAddress::Kind::kTcp) {
        return Error("-s takes ports: this version does not listen on UNIX sockets or standard input");
      }
      if (monitor::listen_addresses(mapping, {Address()}).empty()) {
        return Error("-s takes an address of this machine, not the name " + mapping.address.host);
      }
    }
  }
  return {};
}

// Binds every port that was asked for: a busy one is noticed before the token is used.
Result<std::vector<monitor::Listener>> bind_all(const config::Config& config,
                                                const std::vector<Address>& on) {
  std::vector<monitor::Listener> listeners;
  if (config.mode != config::Mode::kSource) return listeners;
  for (const config::ServiceMapping& mapping : config.services) {
    auto listener = monitor::bind_listener(monitor::listen_addresses(mapping, on));
    if (!listener) return listener.error();
    listeners.push_back(std::move(*listener));
  }
  return listeners;
}

// What the monitor, and a helper until it is in its own sandbox, may still reach.
sandbox::LandlockRules reach(const config::Config& config, const monitor::Helpers& helpers) {
  sandbox::LandlockRules rules;
  // Libraries, certificates, resolver files, and /proc/self/status of a helper that verifies its sandbox.
  rules.read = {"/etc",
                "/usr",
                "/lib",
                "/lib64",
                "/proc",
                "/run/systemd/resolve",
                "/run/resolvconf",
                "/run/NetworkManager",
                "/run/nscd",
                "/run/systemd/machines"};
  rules.read.insert(rules.read.end(), config.ca_paths.begin(), config.ca_paths.end());
  if (!config.ca_file.empty()) rules.read.push_back(config.ca_file);
  if (!config.access_token_file.empty()) {
    // The directory: a token is often renewed by renaming a new file over the old one.
    const size_t slash = config.access_token_file.rfind('/');
    rules.read.push_back(slash == std::string::npos ? "." : config.access_token_file.substr(0, slash + 1));
  }
  // The program interpreter.
  rules.execute = {"/lib", "/lib64", "/usr/lib", "/usr/lib64"};
  for (const ipc::Role role : {ipc::Role::kNet, ipc::Role::kBridge, ipc::Role::kResolve}) {
    rules.execute_files.push_back(helpers.fd(role));
  }
  rules.connect_ports = {config.endpoint.port, kDnsPort};
  // 0: free ports, for a source without a map and for connecting from a given address.
  rules.bind_ports = {0};
  const bool source = config.mode == config::Mode::kSource;
  for (const auto* mappings : {&config.services, &config.known_services}) {
    for (const config::ServiceMapping& mapping : *mappings) {
      if (mapping.address.kind != config::LocalAddress::Kind::kTcp) continue;
      (source ? rules.bind_ports : rules.connect_ports).push_back(mapping.address.port);
    }
  }
  return rules;
}

// Requests to a running proxy wait until it is one; their default would end it.
void block_requests(int how) {
  sigset_t requests;
  ::sigemptyset(&requests);
  ::sigaddset(&requests, SIGHUP);
  ::sigaddset(&requests, SIGUSR1);
  ::sigprocmask(how, &requests, nullptr);
}

// Each connection takes several descriptors: as many as the system lets an ordinary process have.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

int run(config::Run run) {
  config::Config& config = run.config;
  monitor::StderrLog log(config.verbosity);
  for (const std::string& warning : run.warnings)
    log.warning(warning);
  const bool source = config.mode == config::Mode::kSource;
  if (!run.check_only)
    log.info(source ? "Starting proxy in source mode" : "Starting proxy in destination mode");
  raise_descriptor_limit();

  auto on = bind_addresses(config);
  if (!on) return fail(log, ExitStatus::kUsage, on.error());
  if (auto supported = check_supported(config); !supported) {
    return fail(log, ExitStatus::kUsage, supported.error());
  }
  auto helpers = monitor::Helpers::open();
  if (!helpers) return fail(log, ExitStatus::kSystem, helpers.error());
  auto listeners = bind_all(config, *on);
  if (!listeners) return fail(log, ExitStatus::kCannotBind, listeners.error());

  if (::geteuid() == 0) {
    auto ids = sandbox::find_user(config.user);
    if (!ids) return fail(log, ExitStatus::kSystem, ids.error());
    if (auto done = sandbox::become(*ids); !done) return fail(log, ExitStatus::kSystem, done.error());
  }
  if (run.check_only) {
    fputs(config::describe(config).c_str(), stdout);
    return leave(fflush(stdout) == 0 ? ExitStatus::kSuccess : ExitStatus::kSystem);
  }
  localproxy::event::Loop loop;  // <event2/event.h> has a struct event
  if (!config.landlock) log.warning("running without Landlock, as --sandbox=no-landlock asks");
  const sandbox::LandlockRules rules = reach(config, *helpers);
  monitor::Supervisor supervisor(loop, log, std::move(config), std::move(*helpers), std::move(*listeners),
                                 std::move(*on));
  auto report = sandbox::enter(
      {.policy = &sandbox::kMonitorPolicy, .parent = 0, .reach = rules, .landlock = config.landlock});
  if (!report) return fail(log, ExitStatus::kSystem, Error("the sandbox refused: " + report.error().text()));
  log.write_for("monitor", LogLevel::kInfo, *report);
  block_requests(SIG_UNBLOCK);
  return leave(supervisor.run());
}

}  // namespace

int main(int argc, char** argv) {
  // Descriptors that somebody left open for us are none of ours.
  if (::close_range(3, ~0U, 0) != 0) return leave(ExitStatus::kSystem);
  ::signal(SIGPIPE, SIG_IGN);
  block_requests(SIG_BLOCK);
  auto outcome =
      config::parse_command_line(argc, argv, [](const char* name) -> const char* { return ::getenv(name); });
  config::scrub_arguments(argc, argv, environ);
  if (!outcome) {
    fprintf(stderr, "%s\n%s\n", escape_for_log(outcome.error().text()).c_str(), config::kTryHelp);
    return leave(ExitStatus::kUsage);
  }
  if (const auto* print = std::get_if<config::Print>(&*outcome)) {
    fputs(print->text.c_str(), stdout);
    return leave(fflush(stdout) == 0 ? ExitStatus::kSuccess : ExitStatus::kSystem);
  }
  return run(std::move(std::get<config::Run>(*outcome)));
}
