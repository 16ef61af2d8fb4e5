// localproxy: the monitor. It reads the configuration, holds the secrets, binds and dials, and supervises the
// helpers.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string>
#include <variant>

#include "base/address.h"
#include "base/exit_status.h"
#include "config/command_line.h"
#include "config/describe.h"
#include "config/web_proxy.h"
#include "main/check.h"
#include "main/child.h"
#include "monitor/launcher.h"
#include "monitor/local_names.h"
#include "monitor/standard_streams.h"
#include "monitor/supervisor.h"
#include "sandbox/enter.h"
#include "sandbox/ids.h"

extern char** environ;

namespace {

using namespace localproxy;

int leave(ExitStatus status) {
  return static_cast<int>(status);
}

int fail(Log& log, ExitStatus status, const Error& error) {
  log.write(LogLevel::kFatal, error.text());
  return leave(status);
}

// What is done on this machine before there is a sandbox: names are looked up, listeners bound.
class LocalSetup {
 public:
  LocalSetup(const config::Config& config, localproxy::event::Loop& loop, monitor::StderrLog& log,
             monitor::Launcher& launcher)
      : config_(config), loop_(loop), log_(log), launcher_(launcher) {}

  // The addresses of -b, or of localhost.
  Result<std::vector<Address>> bind_addresses() const {
    return look_up(config_.bind_address.empty() ? "localhost" : config_.bind_address, "-b");
  }

  // Binds everything that was asked for: a busy port is noticed before the token is used.
  Result<std::vector<monitor::Listener>> bind_all(const std::vector<Address>& on) const {
    std::vector<monitor::Listener> listeners;
    for (const config::ServiceMapping& mapping : config_.services) {
      const std::string& host = mapping.address.host;
      auto addresses = host.empty() ? on : look_up(host, "-s");
      if (!addresses) return addresses.error();
      auto listener = monitor::bind_service(mapping, *addresses);
      if (!listener) return listener.error();
      listeners.push_back(std::move(*listener));
    }
    return listeners;
  }

 private:
  Result<std::vector<Address>> look_up(const std::string& host, const std::string& option) const {
    ipc::Setup setup;
    setup.parent_pid = static_cast<uint32_t>(launcher_.pid());
    setup.log_level = static_cast<uint8_t>(config_.verbosity);
    setup.landlock = config_.landlock;
    auto addresses = monitor::local_addresses(host, loop_, log_, launcher_, setup);
    if (!addresses) return Error(option + ": " + addresses.error().text());
    return addresses;
  }

  const config::Config& config_;
  localproxy::event::Loop& loop_;
  monitor::StderrLog& log_;
  monitor::Launcher& launcher_;
};

// What the launch process is told.
ipc::Setup launcher_setup(const config::Config& config, const std::optional<sandbox::Ids>& ids) {
  ipc::Setup setup;
  setup.parent_pid = static_cast<uint32_t>(::getpid());
  setup.log_level = static_cast<uint8_t>(config.verbosity);
  setup.landlock = config.landlock;
  setup.ca_paths.value = config.ca_paths;
  setup.ca_file.value = config.ca_file;
  if (ids) {
    setup.user = ids->uid;
    setup.group = ids->gid;
  }
  return setup;
}

bool uses_stdio(const config::Config& config) {
  return std::ranges::any_of(config.services, [](const config::ServiceMapping& mapping) {
    return mapping.address.kind == config::LocalAddress::Kind::kStdio;
  });
}

// What the monitor may still reach.
sandbox::LandlockRules reach(const config::Config& config) {
  sandbox::LandlockRules rules;
  if (!config.access_token_file.empty()) {
    // The directory: a token is often renewed by renaming a new file over the old one.
    const size_t slash = config.access_token_file.rfind('/');
    rules.read.push_back(slash == std::string::npos ? "." : config.access_token_file.substr(0, slash + 1));
  }
  rules.connect_ports = {config::first_hop(config).port};
  // 0: free ports, for a source without a map and for connecting from a given address.
  rules.bind_ports = {0};
  const bool source = config.mode == config::Mode::kSource;
  for (const auto* mappings : {&config.services, &config.known_services}) {
    for (const config::ServiceMapping& mapping : *mappings) {
      const config::LocalAddress& address = mapping.address;
      if (address.kind == config::LocalAddress::Kind::kTcp) {
        (source ? rules.bind_ports : rules.connect_ports).push_back(address.port);
      } else if (address.kind == config::LocalAddress::Kind::kUnix && source) {
        rules.make_sockets.push_back(address.path.substr(0, address.path.rfind('/') + 1));
      }
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
  // A check that fails says why, whatever -v is.
  if (run.check_only && !log.wants(LogLevel::kFatal)) log.set_level(LogLevel::kFatal);
  for (const config::Note& note : run.notes.all())
    log.write(note.level, note.text);
  const bool source = config.mode == config::Mode::kSource;
  if (!run.check_only)
    log.info(source ? "Starting proxy in source mode" : "Starting proxy in destination mode");
  raise_descriptor_limit();

  auto helpers = monitor::Helpers::open();
  if (!helpers) return fail(log, ExitStatus::kSystem, helpers.error());
  std::optional<sandbox::Ids> ids;  // whom to become
  if (::geteuid() == 0) {
    auto found = sandbox::find_user(config.user);
    if (!found) return fail(log, ExitStatus::kSystem, found.error());
    ids = *found;
  }
  // What starts for a check is not worth a line.
  if (run.check_only && log.wants(LogLevel::kInfo)) log.set_level(LogLevel::kWarning);
  const bool stdio = uses_stdio(config);
  monitor::StandardStreams streams;
  if (stdio) {
    if (auto prepared = streams.prepare(); !prepared) return fail(log, ExitStatus::kUsage, prepared.error());
  }
  localproxy::event::Loop loop;  // <event2/event.h> has a struct event
  auto launcher = monitor::Launcher::start(loop, log, *helpers, launcher_setup(config, ids), stdio);
  if (!launcher) return fail(log, ExitStatus::kSystem, launcher.error());
  const LocalSetup local(config, loop, log, **launcher);
  auto on = local.bind_addresses();
  if (!on) return fail(log, ExitStatus::kCannotBind, on.error());
  std::vector<monitor::Listener> listeners;
  if (source) {
    auto bound = local.bind_all(*on);
    if (!bound) return fail(log, ExitStatus::kCannotBind, bound.error());
    listeners = std::move(*bound);
  }
  std::vector<std::string> can_listen;
  if (run.check_only) can_listen = give_back(listeners);
  if (ids) {
    for (const monitor::Listener& listener : listeners) {
      if (listener.file.path().empty()) continue;
      if (auto given = listener.file.give_to(ids->uid, ids->gid); !given)
        return fail(log, ExitStatus::kSystem, given.error());
    }
    if (auto done = sandbox::become(*ids); !done) return fail(log, ExitStatus::kSystem, done.error());
  }
  if (run.check_only) {
    auto machine = check_machine(config, *helpers, can_listen, *on);
    if (!machine) return fail(log, ExitStatus::kUsage, machine.error());
    fputs((config::describe(config) + *machine).c_str(), stdout);
    return leave(fflush(stdout) == 0 ? ExitStatus::kSuccess : ExitStatus::kSystem);
  }
  if (!config.landlock) log.warning("running without Landlock, as --sandbox=no-landlock asks");
  const sandbox::LandlockRules rules = reach(config);
  monitor::Supervisor supervisor(loop, log, std::move(config), **launcher, std::move(listeners),
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
  const bool check_only = std::get<config::Run>(*outcome).check_only;
  const int status = run(std::move(std::get<config::Run>(*outcome)));
  // What it would have ended with is for those who run it.
  return check_only && status != leave(ExitStatus::kSuccess) ? leave(ExitStatus::kUsage) : status;
}
