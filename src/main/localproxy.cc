// localproxy: the monitor. It reads the configuration, holds the secrets, binds and dials, and supervises the
// helpers.
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <variant>

#include "base/address.h"
#include "base/exit_status.h"
#include "base/fd.h"
#include "base/locked_memory.h"
#include "base/secret.h"
#include "config/command_line.h"
#include "config/describe.h"
#include "config/needs.h"
#include "helper/ready.h"
#include "monitor/check.h"
#include "monitor/enter_helpers.h"
#include "monitor/launcher.h"
#include "monitor/sandbox_report.h"
#include "monitor/standard_streams.h"
#include "monitor/startup.h"
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

// Whatever the starter has blocked or ignored. Requests to a running proxy wait until it is one; their
// default would end it.
void set_signals() {
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGCHLD, SIG_DFL);
  sigset_t requests;
  ::sigemptyset(&requests);
  ::sigaddset(&requests, SIGHUP);
  ::sigaddset(&requests, SIGUSR1);
  ::sigprocmask(SIG_SETMASK, &requests, nullptr);
}

void let_requests_in() {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Before there is a log.
int lacking(const char* path) {
  const Error error = system_error(std::string("cannot open ") + path, errno);
  monitor::StderrLog log(LogLevel::kError);
  log.write_plain(LogLevel::kError, error.text() + " (this system or container has to have it)");
  return leave(ExitStatus::kSystem);
}

sandbox::LandlockRules landlock_rules(const config::Config& config) {
  return sandbox::kMonitorPolicy.landlock({.token_directory = config::token_directory(config),
                                           .socket_directories = config::socket_directories(config),
                                           .connect_ports = config::connect_ports(config),
                                           .bind_ports = config::bind_ports(config)});
}

Result<ipc::Ready> enter_sandbox(Log& log, const sandbox::LandlockRules& rules, bool landlock) {
  // A token that is read again comes when nothing can be locked any more.
  reserve_locked_memory();
  if (const std::string why = lock_failure(); !why.empty()) {
    log.warning("tokens are in memory that may be written to swap space, since it cannot be locked: " + why +
                " (ulimit -l, LimitMEMLOCK= of systemd, CAP_IPC_LOCK of a container)");
  }
  auto status = sandbox::enter(
      {.policy = &sandbox::kMonitorPolicy, .parent = 0, .landlock_rules = rules, .landlock = landlock});
  if (!status) return status.error().about("the sandbox refused");
  return helper::ready_of(*status);
}

int print(Log& log, const std::string& text) {
  const auto written = write_all(STDOUT_FILENO, text);
  if (!written) return fail(log, ExitStatus::kSystem, written.error().about("standard output"));
  return leave(ExitStatus::kSuccess);
}

int report_sandbox(const config::Config& config, localproxy::event::Loop& loop, monitor::StderrLog& log,
                   monitor::Launcher& launcher) {
  auto processes = monitor::enter_helpers(config, loop, log, launcher);
  if (!processes) return fail(log, ExitStatus::kSystem, processes.error());
  auto own = enter_sandbox(log, landlock_rules(config), config.landlock);
  if (!own) return fail(log, ExitStatus::kSystem, own.error());
  processes->emplace(processes->begin(), ipc::Role::kMonitor, *own);
  return print(log, monitor::sandbox_table(*processes));
}

// Not inlined, so that all of it is below main() when it is over.
__attribute__((noinline)) int run(config::Run run) {
  config::Config& config = run.config;
  monitor::StderrLog log(config.verbosity);
  const bool check = run.purpose == config::Purpose::kCheck;
  const bool real = run.purpose == config::Purpose::kRun;
  // What fails says why, whatever -v is, if there is nothing else to be had from it.
  if (!real && !log.wants(LogLevel::kFatal)) log.set_level(LogLevel::kFatal);
  for (const config::Diagnostic& diagnostic : run.diagnostics.all())
    log.write(diagnostic.level, diagnostic.text);
  const bool source = config.mode == config::Mode::kSource;
  if (real) log.info(source ? "Starting proxy in source mode" : "Starting proxy in destination mode");

  if (auto enough = monitor::check_descriptors(config.services.size()); !enough)
    return fail(log, ExitStatus::kSystem, enough.error());
  auto helpers = monitor::Helpers::open();
  if (!helpers) return fail(log, ExitStatus::kSystem, helpers.error());
  std::optional<sandbox::Ids> ids;  // whom to become
  if (::geteuid() == 0) {
    auto found = sandbox::find_user(config.user);
    if (!found) return fail(log, ExitStatus::kSystem, found.error());
    ids = *found;
  }
  // What starts for a check is not worth a line.
  if (!real && log.wants(LogLevel::kInfo)) log.set_level(LogLevel::kWarning);
  const bool stdio = monitor::uses_stdio(config);
  monitor::StandardStreams streams;
  if (stdio) {
    if (auto prepared = streams.prepare(); !prepared) return fail(log, ExitStatus::kUsage, prepared.error());
  }
  localproxy::event::Loop loop;  // <event2/event.h> has a struct event
  const monitor::StderrLog::Flush flush(loop, log);
  const ipc::Setup setup = monitor::launcher_setup(config, ids ? ids->uid : 0, ids ? ids->gid : 0);
  auto launcher = monitor::Launcher::start(loop, log, *helpers, setup, stdio);
  if (!launcher) return fail(log, ExitStatus::kSystem, launcher.error());
  const monitor::Startup startup(config, loop, log, **launcher);
  auto on = startup.bind_addresses();
  if (!on) return fail(log, ExitStatus::kCannotBind, on.error());
  auto listeners = startup.bind_all(*on);
  if (!listeners) return fail(log, ExitStatus::kCannotBind, listeners.error());
  std::vector<std::string> can_listen;
  if (check) can_listen = monitor::give_back(*listeners);
  if (ids) {
    if (auto given = monitor::give_away(*listeners, ids->uid, ids->gid); !given)
      return fail(log, ExitStatus::kSystem, given.error());
    if (auto done = sandbox::become(*ids); !done) return fail(log, ExitStatus::kSystem, done.error());
  }
  if (run.purpose == config::Purpose::kSandboxReport) return report_sandbox(config, loop, log, **launcher);
  if (check) {
    auto machine = monitor::check_machine(config, *helpers, can_listen, *on, sandbox::landlock_abi());
    if (!machine) return fail(log, ExitStatus::kUsage, machine.error());
    return print(log, config::describe(config) + *machine);
  }
  if (auto good = monitor::check_certificates(config); !good)
    return fail(log, ExitStatus::kUsage, good.error());
  // The launch process has its own.
  *helpers = {};
  if (!config.landlock) log.warning("running without Landlock, as --sandbox=no-landlock asks");
  const sandbox::LandlockRules rules = landlock_rules(config);
  const bool landlock = config.landlock;
  monitor::Supervisor supervisor(loop, log, std::move(config), **launcher, std::move(*listeners),
                                 std::move(*on));
  auto reached = enter_sandbox(log, rules, landlock);
  if (!reached) return fail(log, ExitStatus::kSystem, reached.error());
  log.write_for("monitor", LogLevel::kInfo, monitor::sandbox_line(*reached));
  let_requests_in();
  return leave(supervisor.run());
}

}  // namespace

int main(int argc, char** argv) {
  set_signals();
  if (!monitor::fill_standard_descriptors()) return lacking("/dev/null");
  monitor::raise_limits();
  auto outcome =
      config::parse_command_line(argc, argv, [](const char* name) -> const char* { return ::getenv(name); });
  config::scrub_arguments(argc, argv, environ);
  // Descriptors that somebody left open for us are none of ours, once a file of the command line may have
  // been one of them, as in --access-token-file <(...).
  if (::close_range(3, ~0U, 0) != 0 && !close_each(3)) return lacking("/proc/self/fd");
  if (!outcome) {
    monitor::StderrLog log(LogLevel::kError);
    log.write_plain(LogLevel::kError, outcome.error().text());
    log.write_plain(LogLevel::kError, config::kTryHelp);
    return leave(ExitStatus::kUsage);
  }
  if (const auto* text = std::get_if<config::Print>(&*outcome)) {
    monitor::StderrLog log(LogLevel::kFatal);
    return print(log, text->text);
  }
  const bool check = std::get<config::Run>(*outcome).purpose == config::Purpose::kCheck;
  const int status = run(std::move(std::get<config::Run>(*outcome)));
  wipe_stack();
  // What it would have ended with is for those who run it.
  return check && status != leave(ExitStatus::kSuccess) ? leave(ExitStatus::kUsage) : status;
}
