// localproxy: the monitor. It reads the configuration, holds the secrets, binds and dials, and supervises the
// helpers.
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/exit_status.h"
#include "base/fd.h"
#include "base/locked_memory.h"
#include "base/secret.h"
#include "config/command_line.h"
#include "config/describe.h"
#include "config/needs.h"
#include "helper/ready.h"
#include "ipc/descriptors.h"
#include "main/launch_inputs.h"
#include "monitor/check.h"
#include "monitor/launcher.h"
#include "monitor/sandbox_report.h"
#include "monitor/standard_streams.h"
#include "monitor/startup.h"
#include "monitor/supervisor.h"
#include "sandbox/describe.h"
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

// Not asked later: no process in a sandbox may ask about terminals.
monitor::HangUp hang_up_at_start() {
  struct sigaction action {};
  if (::sigaction(SIGHUP, nullptr, &action) == 0 && action.sa_handler == SIG_IGN)
    return monitor::HangUp::kIgnored;
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::isatty(fd) == 1) return monitor::HangUp::kEnds;
  return monitor::HangUp::kReloads;
}

// Sets the signals up, whatever the parent has blocked. It may have ignored SIGHUP, as nohup(1) does. Signals
// that are requests to a running proxy stay blocked until it runs; their default action would end it.
void set_signals(monitor::HangUp hang_up) {
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGCHLD, SIG_DFL);
  sigset_t requests;
  ::sigemptyset(&requests);
  if (hang_up == monitor::HangUp::kReloads) ::sigaddset(&requests, SIGHUP);
  ::sigaddset(&requests, SIGUSR1);
  ::sigaddset(&requests, SIGUSR2);
  ::sigprocmask(SIG_SETMASK, &requests, nullptr);
}

void let_requests_in() {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// Used before there is a log.
int give_up(const Error& error) {
  monitor::StderrLog log(LogLevel::kError);
  log.write_plain(LogLevel::kError, error.text());
  return leave(ExitStatus::kSystem);
}

int lacking(const char* path) {
  const Error error = system_error(std::string("cannot open ") + path, errno);
  return give_up(Error(error.text() + " (this system or container has to have it)"));
}

// The program has more rights than its caller: set-user-ID, set-group-ID or file capabilities. Its caller
// chooses files, programs and variables, which it would then use with these rights.
int too_privileged() {
  return give_up(Error(
      "this program must not be set-user-ID or set-group-ID, nor have file capabilities: remove them with "
      "chmod and setcap -r. Start it as root, or with an ambient capability, to listen on a privileged "
      "port"));
}

sandbox::PolicyInputs monitor_inputs(const config::Config& config) {
  return {.token_directory = config::token_directory(config),
          .socket_directories = config::socket_directories(config),
          .target_sockets = config::target_sockets(config),
          .connect_ports = config::connect_ports(config),
          .bind_ports = config::bind_ports(config),
          .needs = config::makes_unix_sockets(config) ? sandbox::kUnixSockets : 0};
}

sandbox::Request sandbox_of(const config::Config& config) {
  const sandbox::PolicyInputs inputs = monitor_inputs(config);
  return {.policy = &sandbox::kMonitorPolicy,
          .landlock_rules = sandbox::kMonitorPolicy.landlock(inputs),
          .needs = inputs.needs,
          .landlock = config.landlock};
}

// --sandbox-policy. The rules of the others are linked only for this.
std::string all_policies(const config::Config& config) {
  const ipc::Setup setup = monitor::launcher_setup(config, 0, 0);
  const sandbox::PolicyInputs launch = launch_inputs(setup, {ipc::kNetProgramFd});
  const bool landlock = config.landlock;
  std::string text = sandbox::describe_common();
  text += sandbox::describe(sandbox::kMonitorPolicy, monitor_inputs(config), landlock);
  text += sandbox::describe(sandbox::kLaunchPolicy, launch, landlock);
  for (const auto* policy : sandbox::kLaunchPolicy.starts)
    text += sandbox::describe(*policy, {.needs = launch.needs}, landlock);
  return text;
}

Result<ipc::Ready> enter_sandbox(Log& log, const sandbox::Request& request) {
  // When a token is read again, nothing can be locked any more.
  reserve_locked_memory();
  if (const std::string why = lock_failure(); !why.empty()) {
    log.warning("tokens are in memory that may be written to swap space, since it cannot be locked: " + why +
                " (ulimit -l, LimitMEMLOCK= of systemd, CAP_IPC_LOCK of a container)");
  }
  auto status = sandbox::enter(request);
  if (!status) return status.error().about("the sandbox refused");
  return helper::ready_of(*status);
}

int print(Log& log, const std::string& text) {
  const auto written = write_all(STDOUT_FILENO, text);
  if (!written) return fail(log, ExitStatus::kSystem, written.error().about("standard output"));
  return leave(ExitStatus::kSuccess);
}

// What the steps of a run share. The loop runs only in these steps.
struct RunContext {
  localproxy::event::Loop& loop;  // <event2/event.h> has a struct event
  monitor::StderrLog& log;
  monitor::Launcher& launcher;
  monitor::HangUp hang_up;

  // Runs the loop until what was begun is `done`, or until the launch process has ended, without which it
  // never will be.
  template <typename Done>
  void run_until(Done done) const {
    while (!done() && launcher.state() != monitor::Launcher::State::kEnded)
      loop.run();
  }
  // A callback for what was begun: it may be done now.
  localproxy::event::Callback stop_loop() const {
    return [&loop = loop] { loop.stop(); };
  }
};

int report_sandbox(const RunContext& context, const config::Config& config) {
  monitor::StderrLog& log = context.log;
  monitor::IdleHelpers helpers(config, context.loop, context.launcher, context.stop_loop());
  helpers.begin();
  context.run_until([&] { return helpers.complete(); });
  if (!helpers.complete())
    return fail(log, ExitStatus::kSystem, Error("the launch process " + context.launcher.end()));
  const Result<monitor::SandboxReports>& reports = helpers.outcome();
  if (!reports) return fail(log, ExitStatus::kSystem, reports.error());
  auto own = enter_sandbox(log, sandbox_of(config));
  if (!own) return fail(log, ExitStatus::kSystem, own.error());
  monitor::SandboxReports processes{{ipc::Role::kMonitor, *own}};
  processes.insert(processes.end(), reports.value().begin(), reports.value().end());
  return print(log, monitor::sandbox_table(processes));
}

// The run itself, in the sandbox.
int supervise(const RunContext& context, config::Config config,
              std::vector<monitor::ServiceListener> listeners, std::vector<Address> on) {
  monitor::StderrLog& log = context.log;
  if (!config.landlock) log.warning("running without Landlock, as --sandbox=no-landlock asks");
  const sandbox::Request request = sandbox_of(config);
  monitor::Supervisor supervisor(context.loop, log, std::move(config), context.launcher, std::move(listeners),
                                 std::move(on), context.hang_up);
  // The helpers start while this process enters its sandbox. It hears from them in the loop, after that.
  supervisor.begin();
  auto reached = enter_sandbox(log, request);
  if (!reached) return fail(log, ExitStatus::kSystem, reached.error());
  log.write_for("monitor", LogLevel::kInfo, monitor::sandbox_line(*reached));
  let_requests_in();
  context.run_until([&] { return supervisor.ended(); });
  if (!supervisor.ended()) supervisor.on_launcher_end();
  return leave(supervisor.status());
}

// Everything between the start of the launch process and its end. ids: the user and group to become.
int proceed(const RunContext& context, config::Run& run, monitor::Helpers helpers,
            const std::optional<sandbox::Ids>& ids) {
  config::Config& config = run.config;
  monitor::StderrLog& log = context.log;
  const bool check = run.purpose == config::Purpose::kCheck;
  monitor::Resolver resolver(context.loop, context.launcher,
                             monitor::setup_of(config, context.launcher.pid()));
  monitor::Startup startup(config, resolver, context.stop_loop());
  startup.look_up_names();
  context.run_until([&] { return startup.has_names(); });
  auto on = startup.bind_addresses();
  if (!on) return fail(log, ExitStatus::kCannotBind, on.error());
  for (const std::string& warning : startup.warnings())
    log.warning(warning);
  auto listeners = startup.bind_all(*on);
  if (!listeners) return fail(log, ExitStatus::kCannotBind, listeners.error());
  std::vector<std::string> can_listen;
  if (check) can_listen = monitor::give_back(*listeners);
  if (ids) {
    if (auto given = monitor::give_away(*listeners, ids->uid, ids->gid); !given)
      return fail(log, ExitStatus::kSystem, given.error());
    if (auto done = sandbox::become(*ids); !done) return fail(log, ExitStatus::kSystem, done.error());
  }
  if (run.purpose == config::Purpose::kSandboxReport) return report_sandbox(context, config);
  if (check) {
    auto machine = monitor::check_machine(config, helpers, can_listen, *on, sandbox::landlock_abi());
    if (!machine) return fail(log, ExitStatus::kUsage, machine.error());
    return print(log, config::describe(config) + *machine);
  }
  if (auto good = monitor::check_certificates(config); !good)
    return fail(log, ExitStatus::kUsage, good.error());
  // The launch process has its own copies.
  helpers = {};
  return supervise(context, std::move(config), std::move(*listeners), std::move(*on));
}

// Not inlined, so that wipe_stack() in main() overwrites its whole frame.
__attribute__((noinline)) int run(config::Run run, monitor::HangUp hang_up) {
  const config::Config& config = run.config;
  monitor::StderrLog log(config.verbosity);
  const bool real = run.purpose == config::Purpose::kRun;
  // A check that fails says why at any level of -v: it has no other output.
  if (!real && !log.wants(LogLevel::kFatal)) log.set_level(LogLevel::kFatal);
  for (const config::Diagnostic& diagnostic : run.diagnostics.all())
    log.write(diagnostic.level, diagnostic.text);
  if (run.purpose == config::Purpose::kSandboxPolicy) return print(log, all_policies(config));
  const bool source = config.mode == config::Mode::kSource;
  if (real) log.info(source ? "Starting proxy in source mode" : "Starting proxy in destination mode");

  if (auto enough = monitor::check_descriptors(config.services.size()); !enough)
    return fail(log, ExitStatus::kSystem, enough.error());
  auto helpers = monitor::Helpers::open();
  if (!helpers) return fail(log, ExitStatus::kSystem, helpers.error());
  std::optional<sandbox::Ids> ids;
  if (::geteuid() == 0) {
    auto found = sandbox::find_user(config.user);
    if (!found) return fail(log, ExitStatus::kSystem, found.error());
    ids = *found;
  }
  // The processes that start for a check are not worth a line.
  if (!real && log.wants(LogLevel::kInfo)) log.set_level(LogLevel::kWarning);
  const bool stdio = monitor::uses_stdio(config);
  monitor::StandardStreams streams;
  if (stdio) {
    if (auto prepared = streams.prepare(); !prepared) return fail(log, ExitStatus::kUsage, prepared.error());
  }
  localproxy::event::Loop loop;
  const monitor::StderrLog::Flush flush(loop, log);
  monitor::Launcher launcher(loop, log, [&loop] { loop.stop(); });
  if (auto begun = launcher.begin(
          *helpers, monitor::launcher_setup(config, ids ? ids->uid : 0, ids ? ids->gid : 0), stdio);
      !begun)
    return fail(log, ExitStatus::kSystem, begun.error());
  const RunContext context{loop, log, launcher, hang_up};
  context.run_until([&] { return launcher.state() == monitor::Launcher::State::kReady; });
  if (launcher.state() == monitor::Launcher::State::kEnded)
    return fail(log, ExitStatus::kSystem, Error("the launch process " + launcher.end()));
  const int status = proceed(context, run, std::move(*helpers), ids);
  launcher.stop();
  // Until the launch process has ended, and with it everything that it started.
  context.run_until([] { return false; });
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  if (auto done = sandbox::forbid_inspection(); !done) return give_up(done.error());
  const monitor::HangUp hang_up = hang_up_at_start();
  set_signals(hang_up);
  if (!monitor::fill_standard_descriptors()) return lacking("/dev/null");
  if (::getauxval(AT_SECURE) != 0) return too_privileged();
  monitor::raise_limits();
  auto outcome =
      config::parse_command_line(argc, argv, [](const char* name) -> const char* { return ::getenv(name); });
  config::scrub_arguments(argc, argv, environ);
  // Close the descriptors that the parent left open. Not earlier: a file of the command line may be one of
  // them, as in --access-token-file <(...).
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
  const int status = run(std::move(std::get<config::Run>(*outcome)), hang_up);
  wipe_stack();
  // The status of a run is only for a run: a failed check is a usage error.
  return check && status != leave(ExitStatus::kSuccess) ? leave(ExitStatus::kUsage) : status;
}
