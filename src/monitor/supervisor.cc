#include "monitor/supervisor.h"

#include <signal.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "base/secret.h"
#include "config/client_token.h"
#include "config/tokens.h"

namespace localproxy::monitor {

using ipc::DownReason;

namespace {

// net may crash this often in a row before the run ends: it has a bug, or is under attack.
constexpr int kMaxCrashes = 8;

uint32_t random_seed() {
  uint32_t seed = 0;
  check(::getrandom(&seed, sizeof seed, 0) == sizeof seed, "no random bytes");
  return seed;
}

// True also for nothing at all. Opening a pipe would block the whole process until its other end is opened.
bool is_plain_file(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) != 0 || S_ISREG(status.st_mode);
}

}  // namespace

Supervisor::Supervisor(event::Loop& loop, StderrLog& log, config::Config config, Launcher& launcher,
                       std::vector<ServiceListener> listeners, std::vector<Address> bind_addresses,
                       HangUp hang_up)
    : loop_(loop),
      log_(log),
      config_(std::move(config)),
      launcher_(launcher),
      listeners_(std::move(listeners)),
      bind_addresses_(std::move(bind_addresses)),
      stdio_(std::any_of(listeners_.begin(), listeners_.end(),
                         [](const ServiceListener& l) { return l.stdio; })),
      resolver_(loop, launcher_, setup_of(config_, launcher.pid())),
      targets_(loop, launcher_.log_of_others(), resolver_, config_,
               config_.bind_address.empty() ? std::vector<Address>() : bind_addresses_),
      deferred_(loop),
      backoff_(config_.settings.backoff_first),
      random_(random_seed()),
      retry_timer_(loop, [this] { connect(); }),
      stop_timer_(loop, [this] { end(ExitStatus::kSuccess); }),
      wipe_task_(loop, wipe_stack) {
  const auto on_signal = [this](int number, event::Callback callback) {
    signals_.push_back(std::make_unique<event::Signal>(loop_, number, std::move(callback)));
  };
  on_signal(SIGTERM, [this] { on_stop_signal(); });
  on_signal(SIGINT, [this] { on_stop_signal(); });
  // ssh(1) sends SIGHUP to its ProxyCommand when it no longer needs it.
  const bool hang_up_ends = hang_up == HangUp::kEnds || stdio_;
  if (hang_up != HangUp::kIgnored)
    on_signal(SIGHUP, [this, hang_up_ends] { hang_up_ends ? on_stop_signal() : reload(); });
  on_signal(SIGUSR2, [this] { reload(); });
  on_signal(SIGUSR1, [this] {
    if (!bridge_->ready()) return;
    ++counts_asked_;
    bridge_->port().send(ipc::Count{});
  });
}

void Supervisor::begin() {
  const ipc::Setup setup = setup_of(config_, launcher_.pid());
  auto bridge = launcher_.start(
      {.role = ipc::Role::kBridge, .setup = setup, .standard_streams = stdio_},
      {.on_ready = [this] { connect(); }, .on_exit = [this](const Exit& exit) { on_bridge_exit(exit); }});
  if (!bridge) return end(ExitStatus::kSystem, bridge.error().text());
  bridge_ = std::move(*bridge);
  targets_.serve(*bridge_);
  bridge_->port().on<ipc::Counters>([this](const ipc::Counters& message) { on_counters(message); });
  bridge_->port().on<ipc::StdioEnded>([this](const ipc::StdioEnded& message) { on_stdio_ended(message); });
  attempt_ = make_attempt();
}

void Supervisor::on_launcher_end() {
  end(ExitStatus::kSystem, "the launch process " + launcher_.end() + "; without it no other can be started");
}

// ---- the bridge ----

void Supervisor::on_bridge_exit(const Exit& exit) {
  if (phase_ == Phase::kStopping && exit.how == Exit::How::kStatus && exit.number == 0) {
    if (!attempt_) end(ExitStatus::kSuccess);
    return;
  }
  end(ExitStatus::kSystem,
      "the bridge process " + exit.describe() + "; without it there is nothing to carry on with");
}

void Supervisor::on_stdio_ended(const ipc::StdioEnded& message) {
  if (phase_ == Phase::kStopping) return;
  if (!stdio_) {
    log_.error("the bridge process speaks of standard input and output, which it has not got, and is killed");
    return bridge_->kill();
  }
  if (!message.lost) {
    log_.info("the connection of standard input and output has ended");
    return stop();
  }
  end(ExitStatus::kUnavailable,
      "the tunnel was lost, and with it the connection of standard input and output, which cannot be made "
      "again");
}

void Supervisor::on_counters(const ipc::Counters& counters) {
  if (counts_asked_ == 0) {
    log_.error("the bridge process sent counters that it was not asked for, and is killed");
    return bridge_->kill();
  }
  --counts_asked_;
  log_.info("counters: " + std::to_string(counters.open) + " connections open, " +
            std::to_string(counters.opened) + " since the start, " + std::to_string(counters.bytes_out) +
            " bytes into the tunnel, " + std::to_string(counters.bytes_in) + " bytes out of it, " +
            std::to_string(counters.full) + " times at the limit of connections");
}

// ---- attempts ----

std::unique_ptr<Attempt> Supervisor::make_attempt() {
  auto attempt = std::make_unique<Attempt>(
      loop_, log_, config_, launcher_, resolver_,
      Attempt::Events{.on_secrets_used = [this] { wipe_task_.start(); },
                      .on_up = [this](const std::vector<std::string>& announced) { on_up(announced); },
                      .on_end = [this](const Attempt::End& how) { on_attempt_end(how); }});
  // After a try that failed, a connection is less likely, and nobody waits for the milliseconds.
  if (tries_ == 0) attempt->prepare();
  return attempt;
}

void Supervisor::connect() {
  if (phase_ == Phase::kStopping || phase_ == Phase::kEnded) return;
  phase_ = Phase::kTrying;
  if (!attempt_) attempt_ = make_attempt();
  attempt_->connect();
}

void Supervisor::on_up(const std::vector<std::string>& announced) {
  if (phase_ != Phase::kTrying) return;
  const std::vector<std::string> tunnel = services_of_tunnel(config_, announced);
  if (services_.empty()) {
    if (!assign_services(tunnel)) return;
  } else if (!std::is_permutation(tunnel.begin(), tunnel.end(), services_.begin(), services_.end())) {
    return end(ExitStatus::kProtocol, "the services of the tunnel have changed since it was first connected");
  }
  tries_ = 0;
  bridge_->port().send(
      ipc::Peer{config_.settings.max_connections, static_cast<uint32_t>(config_.idle_timeout.count()),
                static_cast<uint32_t>(config_.half_close_linger.count())},
      attempt_->serve(services_));
  bridge_->port().send(ipc::Accepting{true});
}

// Matches the services of the tunnel with the configuration, and hands the bridge its listeners or targets.
// Called once, when the tunnel is up for the first time.
bool Supervisor::assign_services(const std::vector<std::string>& tunnel) {
  const bool source = config_.mode == config::Mode::kSource;
  if (const auto distinct = check_distinct(tunnel); !distinct) {
    end(ExitStatus::kProtocol, distinct.error().text());
    return false;
  }
  if (const auto fits = check_version(config_.destination_version, tunnel); !fits) {
    end(ExitStatus::kProtocol, fits.error().text());
    return false;
  }
  // Without a map, what the configuration directory knows of these services is the map.
  if (config_.services.empty()) {
    for (const auto& index : find_known(config_.known_services, tunnel)) {
      if (index) config_.services.push_back(config_.known_services[*index]);
    }
  }
  const bool partial = source && listeners_.empty();
  const Result<Assignment> assignment =
      partial ? find_known(config_.services, tunnel) : match_services(config_.mode, config_.services, tunnel);
  if (!assignment) {
    end(ExitStatus::kProtocol, assignment.error().text());
    return false;
  }
  services_ = tunnel;
  if (source) {
    auto listeners = assign_listeners(std::move(listeners_), *assignment, config_.services, bind_addresses_);
    if (!listeners) {
      end(ExitStatus::kCannotBind, listeners.error().text());
      return false;
    }
    listeners_ = std::move(*listeners);
    return hand_over_listeners();
  }
  std::vector<size_t> mappings;
  for (const auto& index : *assignment)
    mappings.push_back(index.value());
  targets_.set_mappings(mappings);
  return true;
}

bool Supervisor::hand_over_listeners() {
  for (size_t i = 0; i < listeners_.size(); ++i) {
    ServiceListener& listener = listeners_[i];
    if (listener.stdio) {
      bridge_->port().send(ipc::Stdio{static_cast<uint16_t>(i)});
      continue;
    }
    for (const Address& address : listener.addresses)
      if (listener.port != 0) log_.info("Resolved bind IP: " + host_of(address));
    if (auto listening = start_listening(listener); !listening) {
      end(ExitStatus::kCannotBind, listening.error().text());
      return false;
    }
    const std::string name = listener.name();
    for (UniqueFd& socket : listener.sockets) {
      bridge_->port().send(ipc::Listener{static_cast<uint16_t>(i), {name}, {services_[i]}},
                           std::move(socket));
    }
    log_.info("Listening for new connection on " + name +
              (services_[i].empty() ? "" : " for service " + services_[i]));
  }
  return true;
}

void Supervisor::on_attempt_end(const Attempt::End& how) {
  targets_.cancel_all();
  if (phase_ == Phase::kTrying) stop_accepting();
  deferred_.destroy(std::move(attempt_));
  switch (phase_) {
    case Phase::kTrying:
      break;
    case Phase::kStopping:
      if (!bridge_->running()) end(ExitStatus::kSuccess);
      return;
    case Phase::kStarting:
    case Phase::kWaiting:
    case Phase::kEnded:
      return;
  }
  switch (how.reason) {
    case Attempt::Reason::kNotResolved:
    case Attempt::Reason::kNotConnected:
    case Attempt::Reason::kNoProcess:
      return retry(how.text, false);
    case Attempt::Reason::kExit:
      if (how.exit.how == Exit::How::kStatus && how.exit.number == ipc::kNoRoots)
        return end(ExitStatus::kUsage,
                   "the root certificates or the CRLs cannot be used: see what net said of them");
      return retry(how.text, how.exit.how != Exit::How::kNotStarted);
    case Attempt::Reason::kDown:
      return on_down(how.down);
  }
}

void Supervisor::stop_accepting() {
  const auto served = attempt_->served();
  if (!served) return;
  bridge_->port().send(ipc::Accepting{false});
  if (*served < limits::kBackoffForget) return;
  backoff_.reset();
  crashes_ = 0;
}

// Decides between another try and the end.
void Supervisor::on_down(const ipc::Down& down) {
  // What net says has its role in front, as its log lines have: it is not the word of this process.
  const std::string net = std::string(to_string(ipc::Role::kNet)) + ": ";
  const std::string reason = net + down.reason.value;
  switch (down.what) {
    case DownReason::kStopped:
      return retry(down.reason.value.empty() ? "the net process stopped by itself" : reason, true);
    case DownReason::kClosed: {
      std::string text = net + "the service closed the tunnel: code " + std::to_string(down.close_code);
      if (!down.reason.value.empty()) text += " (" + down.reason.value + ")";
      log_.info(text);
      return end(ExitStatus::kSuccess);
    }
    case DownReason::kRefused:
      return end(ExitStatus::kRefused,
                 net + "the service refused the connection: " + down.reason.value +
                     ". Trying again would not help: get a new token, for this mode and region");
    case DownReason::kProxyRefused:
      // A proxy that has worked before may work again; one that never has is a mistake in the configuration.
      if (!services_.empty()) return retry(reason, false);
      return end(ExitStatus::kUnavailable, reason);
    case DownReason::kProtocol:
      if (!config_.settings.reconnect_on_data_error) return end(ExitStatus::kProtocol, reason);
      return retry(reason, false);
    case DownReason::kCannotAsk:
      return end(ExitStatus::kUsage, reason);
    case DownReason::kRejected:
      return retry(net + "the service answered: " + down.reason.value, false,
                   std::chrono::seconds(down.retry_after));
    case DownReason::kLost:
    case DownReason::kTls:
      return retry(reason, false);
  }
}

void Supervisor::retry(const std::string& why, bool crashed, std::chrono::seconds not_before) {
  phase_ = Phase::kWaiting;
  log_.error(why);
  ++tries_;
  if (crashed && ++crashes_ >= kMaxCrashes) {
    return end(ExitStatus::kSystem,
               "the net process has failed " + std::to_string(crashes_) + " times in a row");
  }
  const int most = config_.settings.reconnect_tries;
  if (most >= 0 && tries_ > most) {
    return end(ExitStatus::kUnavailable, "given up after " + std::to_string(tries_) +
                                             (tries_ == 1 ? " try" : " tries") + " to connect");
  }
  auto wait = backoff_.next(static_cast<uint32_t>(random_()));
  if (crashed) wait *= 2;
  // On top of the random wait, so that clients that were put off together do not come back together.
  wait += not_before;
  log_.info("next try to connect in " + std::to_string(wait.count()) + " ms");
  retry_timer_.start(wait);
}

// ---- signals ----

void Supervisor::on_stop_signal() {
  if (phase_ == Phase::kStopping) {
    log_.info("ending at once");
    return end(ExitStatus::kSuccess);
  }
  log_.info("stopping: what was accepted is sent, then the tunnel is closed; a second signal ends at once");
  stop();
}

void Supervisor::stop() {
  phase_ = Phase::kStopping;
  retry_timer_.stop();
  stop_timer_.start(limits::kStopChild);
  if (!bridge_->ready()) return end(ExitStatus::kSuccess);
  bridge_->port().set_state(ipc::State::kStopping);
  bridge_->port().send(ipc::Stop{});
  if (attempt_ && !attempt_->stop()) attempt_.reset();
}

void Supervisor::reload() {
  if (phase_ == Phase::kStopping || phase_ == Phase::kEnded) return;
  if (!config_.access_token_file.empty()) {
    if (auto read = read_token_again(); !read) return log_.error("not reloaded: " + read.error().text());
  }
  log_.info("reconnecting");
  backoff_.reset();
  if (phase_ == Phase::kStarting) {
    // Its net may have loaded certificates that have been replaced since.
    attempt_ = make_attempt();
    return;
  }
  if (attempt_) {
    targets_.cancel_all();
    stop_accepting();
    attempt_.reset();
  }
  retry_timer_.stop();
  connect();
}

Result<> Supervisor::read_token_again() {
  const std::string& path = config_.access_token_file;
  if (!is_plain_file(path))
    return Error("cannot read the access token from '" + path + "' again: it is not a plain file");
  auto token = config::read_token_file(path);
  wipe_task_.start();
  if (!token) return token.error();
  config_.access_token = std::move(*token);
  if (!config_.client_key.empty())
    config_.client_token = config::hmac_sha256(config_.client_key.reveal(), config_.access_token.reveal());
  return {};
}

void Supervisor::end(ExitStatus status, const std::string& error) {
  if (phase_ == Phase::kEnded) return;
  phase_ = Phase::kEnded;
  status_ = status;
  // The last word: -v 1 shows it as well.
  if (!error.empty()) log_.write(LogLevel::kFatal, error);
  loop_.stop();
}

}  // namespace localproxy::monitor
