#include "monitor/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "base/secret.h"
#include "config/certificates.h"
#include "config/tokens.h"
#include "config/web_proxy.h"

namespace localproxy::monitor {

using ipc::DownClass;
using ipc::Role;
using ipc::State;

namespace {

// net may crash this often in a row before the run ends: a bug, or somebody who tries again and again.
constexpr int kMaxCrashes = 8;

// The resolver's "cannot resolve HOST: ..." for a host that is a web proxy.
std::string of_web_proxy(std::string error) {
  static constexpr std::string_view kVerb = "cannot resolve ";
  return error.starts_with(kVerb) ? error.insert(kVerb.size(), "the web proxy ") : "web proxy: " + error;
}

uint32_t random_seed() {
  uint32_t seed = 0;
  check(::getrandom(&seed, sizeof seed, 0) == sizeof seed, "no random bytes");
  return seed;
}

// Or nothing at all. Opening a pipe would wait for its other end, and nothing else would be done meanwhile.
bool is_plain_file(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) != 0 || S_ISREG(status.st_mode);
}

}  // namespace

Supervisor::Supervisor(event::Loop& loop, StderrLog& log, config::Config config, Launcher& launcher,
                       std::vector<Listener> listeners, std::vector<Address> bind_addresses)
    : loop_(loop),
      log_(log),
      config_(std::move(config)),
      launcher_(launcher),
      listeners_(std::move(listeners)),
      bind_addresses_(std::move(bind_addresses)),
      stdio_(std::any_of(listeners_.begin(), listeners_.end(), [](const Listener& l) { return l.stdio; })),
      url_("wss://" + authority_of(config_.endpoint.host, config_.endpoint.port)),
      resolver_(loop, launcher_, make_setup(false)),
      targets_(
          loop, log, resolver_, config_,
          config_.bind_address.empty() ? std::vector<Address>() : bind_addresses_,
          [this](uint32_t cookie, Result<Connected> connected) { on_dialed(cookie, std::move(connected)); }),
      deferred_(loop),
      dials_(limits::kDialsPerSecond, limits::kDialsAtOnce),
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
  on_signal(SIGHUP, [this] { on_reload_signal(); });
  on_signal(SIGUSR1, [this] {
    if (bridge_->ready()) bridge_->port().send(ipc::Count{});
  });
}

Supervisor::~Supervisor() = default;

void Supervisor::on_launcher_end() {
  end(ExitStatus::kSystem,
      "the launch process " + launcher_.end() + "; without it no other can be started");
}

ipc::Setup Supervisor::make_setup(bool for_net) const {
  ipc::Setup setup = setup_of(config_, launcher_.pid());
  if (for_net && config::needs_roots(config_)) {
    setup.load_roots = 1;
    add_roots(config_, setup);
  }
  return setup;
}

// ---- the bridge ----

void Supervisor::begin() {
  const ipc::Setup setup = make_setup(false);
  auto bridge = launcher_.start(
      {.role = Role::kBridge, .setup = setup, .standard_streams = stdio_},
      {.on_ready = [this] { connect(); }, .on_exit = [this](const Exit& exit) { on_bridge_exit(exit); }});
  if (!bridge) return end(ExitStatus::kSystem, bridge.error().text());
  bridge_ = std::move(*bridge);
  bridge_->port().on<ipc::Dial>([this](const ipc::Dial& message) { on_dial(message); });
  bridge_->port().on<ipc::DialCancel>([this](const ipc::DialCancel& m) { targets_.cancel(m.cookie); });
  bridge_->port().on<ipc::Counters>([this](const ipc::Counters& message) { on_counters(message); });
  bridge_->port().on<ipc::StdioEnded>([this](const ipc::StdioEnded& message) { on_stdio_ended(message); });
}

void Supervisor::on_bridge_exit(const Exit& exit) {
  if (phase_ == Phase::kStopping && exit.how == Exit::How::kStatus && exit.number == 0) {
    if (!net_) end(ExitStatus::kSuccess);
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
  if (message.lost == 0) {
    log_.info("the connection of standard input and output has ended");
    return stop();
  }
  end(ExitStatus::kUnavailable,
      "the tunnel was lost, and with it the connection of standard input and output, which cannot be made "
      "again");
}

void Supervisor::on_dial(const ipc::Dial& message) {
  if (!dials_.take(TokenBucket::Clock::now())) {
    // Once: the reason may be a flood.
    if (!std::exchange(dials_noted_, true))
      log_.warning("more than " + std::to_string(limits::kDialsPerSecond) +
                   " connections a second to local services are asked for: some are refused");
    return bridge_->port().send(ipc::DialFailed{message.cookie});
  }
  if (targets_.dial(message.service, message.cookie)) return;
  log_.error("the bridge process asked for a connection that it may not ask for, and is killed");
  bridge_->kill();
}

void Supervisor::on_dialed(uint32_t cookie, Result<Connected> connected) {
  if (!bridge_->running()) return;
  if (!connected) return bridge_->port().send(ipc::DialFailed{cookie});
  bridge_->port().send(ipc::Dialed{cookie, {to_string(connected->address)}}, std::move(connected->socket));
}

void Supervisor::on_counters(const ipc::Counters& counters) {
  log_.info("counters: " + std::to_string(counters.open) + " connections open, " +
            std::to_string(counters.opened) + " since the start, " + std::to_string(counters.bytes_out) +
            " bytes into the tunnel, " + std::to_string(counters.bytes_in) + " bytes out of it, " +
            std::to_string(counters.full) + " times at the limit of connections");
}

// ---- one tunnel connection ----

void Supervisor::connect() {
  if (phase_ == Phase::kStopping || phase_ == Phase::kEnded) return;
  phase_ = Phase::kConnecting;
  down_.reset();
  log_.debug("Attempting to establish web socket connection with endpoint " + url_);
  const config::Endpoint hop = config::first_hop(config_);
  if (config_.web_proxy) log_.debug("Connecting through the web proxy " + authority_of(hop.host, hop.port));
  resolver_.resolve(hop.host, hop.port, [this](Result<Addresses> addresses) { dial(std::move(addresses)); });
}

void Supervisor::dial(Result<Addresses> addresses) {
  if (phase_ != Phase::kConnecting) return;
  if (!addresses) {
    const std::string& why = addresses.error().text();
    return retry(
        config_.web_proxy ? of_web_proxy(why) : why + " (the name of the service comes from -e or -r)",
        false);
  }
  log_.info((config_.web_proxy ? "Resolved web proxy IP: " : "Resolved proxy server IP: ") +
            host_of(addresses->front()));
  dialer_ =
      std::make_unique<Dialer>(loop_, std::move(*addresses), std::vector<Address>(),
                               [this](Result<Connected> connected) { start_net(std::move(connected)); });
}

void Supervisor::start_net(Result<Connected> connected) {
  deferred_.destroy(std::move(dialer_));
  if (phase_ != Phase::kConnecting) return;
  if (!connected)
    return retry("cannot connect to the " + std::string(config_.web_proxy ? "web proxy" : "service") + ": " +
                     connected.error().text(),
                 false);
  log_.info("Connected successfully with " +
            std::string(config_.web_proxy ? "the web proxy" : "proxy server") + " at " +
            to_string(connected->address));
  ::setsockopt(connected->socket.get(), SOL_SOCKET, SO_RCVBUF, &limits::kTunnelReceive,
               sizeof limits::kTunnelReceive);
  auto channel = make_socketpair(SOCK_SEQPACKET);
  if (!channel) return retry("cannot start the net process: " + channel.error().text(), false);
  const ipc::Setup setup = make_setup(true);
  auto net = launcher_.start(
      {.role = Role::kNet, .setup = setup, .sibling = std::move(channel->second)},
      {.on_ready = [this] { grant(); }, .on_exit = [this](const Exit& exit) { on_net_exit(exit); }});
  if (!net) return retry("cannot start the net process: " + net.error().text(), false);
  phase_ = Phase::kNegotiating;
  net_ = std::move(*net);
  socket_ = std::move(connected->socket);
  sibling_ = std::move(channel->first);
  net_->port().on<ipc::Up>([this](const ipc::Up& up) { on_up(up); });
  net_->port().on<ipc::Down>([this](const ipc::Down& down) { on_down(down); });
}

void Supervisor::grant() {
  if (phase_ != Phase::kNegotiating) return;
  ipc::Grant grant;
  grant.source = config_.mode == config::Mode::kSource;
  grant.verify = config_.verify_host;
  grant.host.value = config_.endpoint.host;
  grant.port = config_.endpoint.port;
  grant.subprotocol.value = config_.settings.subprotocol;
  grant.ping_period_ms = static_cast<uint32_t>(config_.settings.ping_period.count());
  grant.max_connections = config_.settings.max_connections;
  grant.stall_ms = config_.settings.stall_timeout_ms;
  grant.peer_version = static_cast<uint8_t>(config_.destination_version);
  if (config_.web_proxy) {
    const config::WebProxy& proxy = *config_.web_proxy;
    grant.proxy = proxy.scheme == "https" ? ipc::ProxyKind::kHttps : ipc::ProxyKind::kHttp;
    grant.proxy_host.value = proxy.host;
    grant.proxy_port = proxy.port;
    grant.proxy_credentials.value.assign(proxy.credentials.reveal());
  }
  grant.access_token.value.assign(config_.access_token.reveal());
  grant.client_token.value.assign(config_.client_token.reveal());
  net_->port().set_state(State::kNegotiating);
  net_->port().send(grant, std::move(socket_));
  wipe_task_.start();
}

void Supervisor::on_up(const ipc::Up& up) {
  if (phase_ != Phase::kNegotiating) return;
  const std::vector<std::string> tunnel = services_of_tunnel(config_, up.services.value);
  if (services_.empty()) {
    if (!assign_services(tunnel)) return;
  } else if (!std::is_permutation(tunnel.begin(), tunnel.end(), services_.begin(), services_.end())) {
    return end(ExitStatus::kProtocol, "the services of the tunnel have changed since it was first connected");
  }
  serve();
}

void Supervisor::serve() {
  phase_ = Phase::kUp;
  up_since_ = std::chrono::steady_clock::now();
  tries_ = 0;
  net_->port().set_state(State::kServing);
  net_->port().send(ipc::Services{{services_}});
  bridge_->port().send(
      ipc::Peer{config_.settings.max_connections, static_cast<uint32_t>(config_.idle_timeout.count()),
                static_cast<uint32_t>(config_.half_close_linger.count())},
      std::move(sibling_));
  bridge_->port().send(ipc::Accepting{1});
}

// ---- its end ----

void Supervisor::on_down(const ipc::Down& down) {
  down_ = down;
  // It has said its last; what remains is to exit.
  net_->end_within(limits::kCloseReply);
}

void Supervisor::on_net_exit(const Exit& exit) {
  deferred_.destroy(std::move(net_));
  socket_.reset();
  sibling_.reset();
  targets_.cancel_all();
  if (phase_ == Phase::kEnded) return;
  if (phase_ == Phase::kStopping) {
    if (!bridge_->running()) end(ExitStatus::kSuccess);
    return;
  }
  if (phase_ == Phase::kUp) {
    bridge_->port().send(ipc::Accepting{0});
    if (std::chrono::steady_clock::now() - up_since_ >= limits::kBackoffForget) {
      backoff_.reset();
      crashes_ = 0;
    }
  }
  if (std::exchange(reload_, false)) return connect();
  if (!down_ && exit.how == Exit::How::kStatus && exit.number == ipc::kNoRoots)
    return end(ExitStatus::kUsage, "the root certificates cannot be used: see what net said of them");
  if (!down_) return retry("the net process " + exit.describe(), exit.how != Exit::How::kNotStarted);
  const std::string& reason = down_->reason.value;
  switch (down_->what) {
    case DownClass::kStopped:
      return retry("the net process stopped by itself", true);
    case DownClass::kClosed: {
      std::string text = "the service closed the tunnel: code " + std::to_string(down_->close_code);
      if (!reason.empty()) text += " (" + reason + ")";
      log_.info(text);
      return end(ExitStatus::kSuccess);
    }
    case DownClass::kRefused:
      return end(ExitStatus::kRefused,
                 "the service refused the connection: " + reason +
                     ". Trying again would not help: get a new token, for this mode and region");
    case DownClass::kProxyRefused:
      // What has worked before may work again; what never has is a mistake in the configuration.
      if (!services_.empty()) return retry(reason, false);
      return end(ExitStatus::kUnavailable, reason);
    case DownClass::kProtocol:
      if (!config_.settings.reconnect_on_data_error) return end(ExitStatus::kProtocol, reason);
      return retry(reason, false);
    case DownClass::kCannotAsk:
      return end(ExitStatus::kUsage, reason);
    case DownClass::kRejected:
      return retry("the service answered: " + reason, false, std::chrono::seconds(down_->retry_after));
    case DownClass::kLost:
    case DownClass::kTls:
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
  // On top of it, so that all who were put off together do not come back together.
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
  bridge_->port().set_state(State::kStopping);
  bridge_->port().send(ipc::Stop{});
  if (!net_) return;
  if (!net_->ready()) return net_->kill();
  net_->port().set_state(State::kStopping);
  net_->port().send(ipc::Stop{});
}

void Supervisor::on_reload_signal() {
  // ssh(1) sends this signal to its ProxyCommand when it has no more use for it.
  if (stdio_) return on_stop_signal();
  if (phase_ == Phase::kStopping || phase_ == Phase::kEnded) return;
  if (!config_.access_token_file.empty()) {
    if (!is_plain_file(config_.access_token_file)) {
      return log_.error("not reloaded: cannot read the access token from '" + config_.access_token_file +
                        "' again: it is not a plain file");
    }
    auto token = config::read_token_file(config_.access_token_file);
    wipe_task_.start();
    if (!token) return log_.error("not reloaded: " + token.error().text());
    config_.access_token = std::move(*token);
  }
  log_.info("reconnecting");
  backoff_.reset();
  if (net_) {
    // Its exit starts the next one.
    reload_ = true;
    net_->kill();
  } else if (phase_ == Phase::kWaiting) {
    retry_timer_.stop();
    connect();
  }
}

void Supervisor::end(ExitStatus status, const std::string& error) {
  if (phase_ == Phase::kEnded) return;
  phase_ = Phase::kEnded;
  status_ = status;
  if (!error.empty()) log_.error(error);
  loop_.stop();
}

}  // namespace localproxy::monitor
