#include "monitor/attempt.h"

#include <sys/socket.h>

#include <utility>

#include "base/limits.h"
#include "base/locked_memory.h"
#include "config/certificates.h"
#include "config/web_proxy.h"

namespace localproxy::monitor {

using ipc::State;

namespace {

// While GRANT is made there are two copies of each secret, and the sandbox lets this process lock no further
// memory.
static_assert(2 * (limits::kMaxAccessToken + limits::kMaxClientToken + ipc::kMaxProxyCredentials +
                   limits::kMaxClientKey) <
              kLockedArea);

void fill(const config::Config& config, ipc::Grant& grant) {
  grant.source = config.mode == config::Mode::kSource;
  grant.verify = config.verify_host;
  grant.host.value = config.endpoint.host;
  grant.port = config.endpoint.port;
  grant.pins.value = config.pins;
  grant.subprotocol.value = config.settings.subprotocol;
  grant.ping_period_ms = static_cast<uint32_t>(config.settings.ping_period.count());
  grant.max_connections = config.settings.max_connections;
  grant.stall_ms = config.settings.stall_timeout_ms;
  grant.peer_version = static_cast<uint8_t>(config.destination_version);
  if (config.web_proxy) {
    const config::WebProxy& proxy = *config.web_proxy;
    grant.proxy = proxy.scheme == "https" ? ipc::ProxyKind::kHttps : ipc::ProxyKind::kHttp;
    grant.proxy_host.value = proxy.host;
    grant.proxy_port = proxy.port;
    grant.proxy_credentials.value.assign(proxy.credentials.reveal());
    grant.proxy_certificate.value = config.proxy_certificate.chain;
    grant.proxy_key.value.assign(config.proxy_certificate.key.reveal());
  }
  grant.access_token.value.assign(config.access_token.reveal());
  grant.client_token.value.assign(config.client_token.reveal());
}

}  // namespace

Attempt::Attempt(event::Loop& loop, StderrLog& log, const config::Config& config, Launcher& launcher,
                 Resolver& resolver, Events events)
    : loop_(loop),
      log_(log),
      config_(config),
      launcher_(launcher),
      resolver_(resolver),
      events_(std::move(events)),
      report_early_exit_(loop, [this] { on_exit(*early_exit_); }) {}

// If it cannot be started now, starting it for the connection may succeed, or says why not.
void Attempt::prepare() {
  (void)start_net();
}

void Attempt::connect() {
  phase_ = Phase::kConnecting;
  if (early_exit_) return report_early_exit_.start();
  log_.debug("Attempting to establish web socket connection with endpoint wss://" +
             authority_of(config_.endpoint.host, config_.endpoint.port));
  const config::Endpoint hop = config::first_hop(config_);
  if (config_.web_proxy) log_.debug("Connecting through the web proxy " + authority_of(hop.host, hop.port));
  if (Addresses known = known_addresses(hop.host, hop.port); !known.empty()) return dial(std::move(known));
  lookup_ = resolver_.look_up(hop.host, hop.port, [this, host = hop.host](Result<Addresses> addresses) {
    on_resolved(std::move(addresses), host);
  });
}

// ---- the socket ----

void Attempt::on_resolved(Result<Addresses> addresses, const std::string& host) {
  // net may have ended, or been told to, meanwhile.
  if (phase_ != Phase::kConnecting) return;
  if (addresses) return dial(std::move(*addresses));
  const Error& why = addresses.error();
  end({Reason::kNotResolved, config_.web_proxy ? cannot_resolve("the web proxy " + host, why).text()
                                               : cannot_resolve(host, why).text() +
                                                     " (the name of the service comes from -e or -r)"});
}

void Attempt::dial(Addresses addresses) {
  log_.info((config_.web_proxy ? "Resolved web proxy IP: " : "Resolved proxy server IP: ") +
            host_of(addresses.front()));
  dialer_ = std::make_unique<Dialer>(
      loop_, std::move(addresses), std::vector<Address>(), [this](Result<Connected> connected) {
        if (phase_ != Phase::kConnecting) return;
        if (connected) return on_connected(std::move(*connected));
        end({Reason::kNotConnected, "cannot connect to the " +
                                        std::string(config_.web_proxy ? "web proxy" : "service") + ": " +
                                        connected.error().text()});
      });
}

void Attempt::on_connected(Connected connected) {
  log_.info("Connected successfully with " +
            std::string(config_.web_proxy ? "the web proxy" : "proxy server") + " at " +
            to_string(connected.address));
  socket_ = std::move(connected.socket);
  ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &limits::kTunnelReceive, sizeof limits::kTunnelReceive);
  if (net_) return grant_if_complete();
  if (auto started = start_net(); !started)
    end({Reason::kNoProcess, "cannot start the net process: " + started.error().text()});
}

// ---- net ----

Result<> Attempt::start_net() {
  auto channel = make_socketpair(SOCK_SEQPACKET);
  if (!channel) return channel.error();
  ipc::Setup setup = setup_of(config_, launcher_.pid());
  setup.only_tls13 = config_.only_tls13;
  if (config::needs_roots(config_)) {
    setup.load_roots = true;
    add_roots(config_, setup);
  }
  auto net = launcher_.start(
      {.role = ipc::Role::kNet, .setup = setup, .sibling = std::move(channel->second)},
      {.on_ready = [this] { grant_if_complete(); }, .on_exit = [this](const Exit& exit) { on_exit(exit); }});
  if (!net) return net.error();
  net_ = std::move(*net);
  sibling_ = std::move(channel->first);
  net_->port().on<ipc::Up>([this](const ipc::Up& up) { on_up(up); });
  net_->port().on<ipc::Down>([this](const ipc::Down& down) { on_down(down); });
  return {};
}

void Attempt::grant_if_complete() {
  if (phase_ != Phase::kConnecting || !socket_ || !net_->ready()) return;
  phase_ = Phase::kNegotiating;
  ipc::Grant grant;
  fill(config_, grant);
  net_->port().set_state(State::kNegotiating);
  net_->port().send(grant, std::move(socket_));
  events_.on_secrets_used();
}

void Attempt::on_up(const ipc::Up& up) {
  // net may have sent this before it heard that it has to stop.
  if (phase_ == Phase::kNegotiating) events_.on_up(up.services.value);
}

UniqueFd Attempt::serve(const std::vector<std::string>& services) {
  phase_ = Phase::kServing;
  serving_since_ = Clock::now();
  net_->port().set_state(State::kServing);
  net_->port().send(ipc::Services{{services}});
  return std::move(sibling_);
}

std::optional<Attempt::Clock::duration> Attempt::served() const {
  if (!serving_since_) return {};
  return Clock::now() - *serving_since_;
}

bool Attempt::stop() {
  if (!net_ || early_exit_) return false;
  const bool granted = phase_ != Phase::kIdle && phase_ != Phase::kConnecting;
  phase_ = Phase::kStopping;
  if (!granted) {
    net_->kill();
  } else {
    net_->port().set_state(State::kStopping);
    net_->port().send(ipc::Stop{});
  }
  return true;
}

// ---- its end ----

void Attempt::on_down(const ipc::Down& down) {
  down_ = down;
  // This was its last message; it only has to exit.
  net_->end_within(limits::kCloseReply);
}

void Attempt::on_exit(const Exit& exit) {
  if (phase_ == Phase::kEnded) return;
  if (phase_ == Phase::kIdle) {
    early_exit_ = exit;
    return;
  }
  if (down_) return end({Reason::kDown, "", exit, *down_});
  end({Reason::kExit, "the net process " + exit.describe(), exit});
}

void Attempt::end(const End& how) {
  phase_ = Phase::kEnded;
  events_.on_end(how);
}

}  // namespace localproxy::monitor
