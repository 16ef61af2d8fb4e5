// localproxy: the monitor. It reads the configuration, holds the secrets, binds and dials, and supervises the
// helpers.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <variant>

#include "base/address.h"
#include "base/exit_status.h"
#include "base/locked_memory.h"
#include "config/command_line.h"
#include "config/describe.h"
#include "main/check.h"
#include "main/reach.h"
#include "main/startup.h"
#include "monitor/launcher.h"
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
  const Startup startup(config, loop, log, **launcher);
  auto on = startup.bind_addresses();
  if (!on) return fail(log, ExitStatus::kCannotBind, on.error());
  auto listeners = startup.bind_all(*on);
  if (!listeners) return fail(log, ExitStatus::kCannotBind, listeners.error());
  std::vector<std::string> can_listen;
  if (run.check_only) can_listen = give_back(*listeners);
  if (ids) {
    if (auto given = give_away(*listeners, *ids); !given)
      return fail(log, ExitStatus::kSystem, given.error());
    if (auto done = sandbox::become(*ids); !done) return fail(log, ExitStatus::kSystem, done.error());
  }
  if (run.check_only) {
    auto machine = check_machine(config, *helpers, can_listen, *on);
    if (!machine) return fail(log, ExitStatus::kUsage, machine.error());
    fputs((config::describe(config) + *machine).c_str(), stdout);
    return leave(fflush(stdout) == 0 ? ExitStatus::kSuccess : ExitStatus::kSystem);
  }
  // A token that is read again comes when nothing can be locked any more.
  reserve_locked_memory();
  // The launch process has its own.
  *helpers = {};
  if (!config.landlock) log.warning("running without Landlock, as --sandbox=no-landlock asks");
  const sandbox::LandlockRules rules = monitor_reach(config);
  monitor::Supervisor supervisor(loop, log, std::move(config), **launcher, std::move(*listeners),
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
  ::signal(SIGPIPE, SIG_IGN);
  block_requests(SIG_BLOCK);
  auto outcome =
      config::parse_command_line(argc, argv, [](const char* name) -> const char* { return ::getenv(name); });
  config::scrub_arguments(argc, argv, environ);
  // Descriptors that somebody left open for us are none of ours, once a file of the command line may have
  // been one of them, as in --access-token-file <(...).
  if (::close_range(3, ~0U, 0) != 0) return leave(ExitStatus::kSystem);
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
