#include "net/net_process.h"

#include <malloc.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "base/limits.h"
#include "base/secret.h"
#include "base/text.h"

namespace localproxy::net {

using ipc::DownReason;
using ipc::Port;
using ipc::Role;
using ipc::State;

namespace {

// While this many messages wait for the bridge, the tunnel is not read: connections that are opened and ended
// faster than the bridge can follow wait in the tunnel.
constexpr size_t kBusyBridge = 1'024;
constexpr std::chrono::milliseconds kBridgePoll{10};

constexpr const char* kNoRoom =
    "no descriptor is left for what the other processes send: raise ulimit -n, LimitNOFILE= of systemd";

// Positive, and not predictable from the last tunnel connection's.
uint32_t random_stream_id() {
  static_assert(std::has_single_bit(limits::kMaxFirstStreamId));
  std::array<uint8_t, 4> bytes{};
  tls::random_bytes(bytes);
  return load_be<uint32_t>(bytes.data()) % limits::kMaxFirstStreamId + 1;
}

// Moves the secrets out of the grant.
TunnelRequest request_of(ipc::Grant& grant) {
  return {.host = grant.host.value,
          .port = grant.port,
          .verify = grant.verify,
          .pins = std::move(grant.pins.value),
          .mode = grant.source ? "source" : "destination",
          .subprotocol = grant.subprotocol.value,
          .access_token = std::move(grant.access_token.value),
          .client_token = std::move(grant.client_token.value),
          .proxy = {.kind = grant.proxy,
                    .host = grant.proxy_host.value,
                    .port = grant.proxy_port,
                    .credentials = std::move(grant.proxy_credentials.value),
                    .certificate = std::move(grant.proxy_certificate.value),
                    .key = std::move(grant.proxy_key.value)}};
}

}  // namespace

NetProcess::NetProcess(event::Loop& loop, Log& log, tls::Context& context, Port& monitor, UniqueFd bridge)
    : loop_(loop),
      log_(log),
      context_(context),
      monitor_(monitor),
      bridge_(loop, std::move(bridge), Role::kNet, Role::kBridge,
              [this](Port::End end, const std::string& what) { on_bridge_end(end, what); }),
      sender_(loop,
              [this] {
                if (link_) link_->flush();
              }),
      deferred_(loop),
      drain_(loop, [this] { on_drain_deadline(); }),
      services_deadline_(
          loop,
          [this] {
            close(wire::kCloseGoingAway,
                  {DownReason::kLost, 0, 0, "the service did not say which services the tunnel has"});
          }),
      bridge_busy_(loop, [this] { on_bridge_busy(); }),
      opens_(limits::kOpensPerSecond, limits::kOpensAtOnce),
      orphaned_(loop,
                [this] {
                  report_and_exit({DownReason::kStopped, 0, 0, "the bridge process is gone"});
                }),
      silence_(loop, [this] { tunnel_->waited(); }),
      trim_(loop, [this] {
        if (link_) link_->give_back();
        ::malloc_trim(0);
      }) {
  bridge_.set_reading(false);
  monitor_.on<ipc::Grant>([this](ipc::Grant& grant, UniqueFd socket) { on_grant(grant, std::move(socket)); });
  monitor_.on<ipc::Services>([this](const ipc::Services& message) { on_services(message); });
  monitor_.on<ipc::Stop>([this](const ipc::Stop&) { on_stop(); });
  bridge_.on<ipc::Accepted>([this](const ipc::Accepted& m, FdPair fds) { on_accepted(m, std::move(fds)); });
  bridge_.on<ipc::Opening>([this](const ipc::Opening& m, FdPair fds) { on_opening(m, std::move(fds)); });
  bridge_.on<ipc::Failed>([this](const ipc::Failed& m) { on_failed(m); });
}

NetProcess::~NetProcess() = default;

// ---- the monitor ----

void NetProcess::on_grant(ipc::Grant& grant, UniqueFd socket) {
  monitor_.set_state(State::kNegotiating);
  source_ = grant.source;
  max_connections_ = grant.max_connections;
  stall_ = std::chrono::milliseconds(grant.stall_ms);
  ping_period_ = std::chrono::milliseconds(grant.ping_period_ms);
  check(grant.peer_version >= 1 && grant.peer_version <= 3, "the versions of the protocol are 1 to 3");
  const int subprotocol = subprotocol_version(grant.subprotocol.value);
  // The service accepts no field that is newer than the subprotocol.
  version_ = std::min<int>(grant.peer_version, subprotocol);
  // Version 1 of the protocol has no SERVICE_IDS.
  names_services_ = subprotocol > 1;
  if (!socket) return report_and_exit({DownReason::kLost, 0, 0, kNoRoom});
  handshake_ = std::make_unique<Handshake>(
      loop_, log_, context_, std::move(socket), request_of(grant),
      [this](Upgraded upgraded) { on_upgraded(std::move(upgraded)); },
      [this](const ipc::Down& end) { report_and_exit(end); });
}

void NetProcess::on_services(const ipc::Services& message) {
  if (ending()) return;
  phase_ = Phase::kServing;
  monitor_.set_state(State::kServing);
  if (source_ && version_ < 3) {
    log_.info("speaking version " + std::to_string(version_) +
              " of the protocol: a new local connection ends the one before it to the same service");
  }
  tunnel_ = std::make_unique<Tunnel>(source_, message.services.value, format_of_version(version_),
                                     random_stream_id(), max_connections_, *this);
  bridge_.set_state(State::kServing);
  bridge_.set_reading(true);
  for (const std::string& early : std::exchange(early_, {})) {
    if (auto taken = tunnel_->receive(as_bytes(early)); !taken) {
      return close(wire::kCloseProtocolError, {DownReason::kProtocol, 0, 0, taken.error().text()});
    }
  }
  link_->carry(*tunnel_);
  update_pause();
}

void NetProcess::on_stop() {
  monitor_.set_state(State::kStopping);
  orphaned_.stop();
  if (phase_ == Phase::kDraining) return;
  phase_ = Phase::kStopping;
  drain_.start(limits::kDrain);
  end_if_drained();
}

void NetProcess::end_if_drained() {
  if (!channels_.empty()) return;
  if (phase_ == Phase::kDraining) return report_and_exit(end_);
  if (phase_ == Phase::kStopping) end_tunnel();
}

void NetProcess::on_drain_deadline() {
  if (phase_ == Phase::kDraining) return report_and_exit(end_);
  log_.warning(std::to_string(channels_.size()) + " connections did not drain in time and are reset");
  end_tunnel();
}

void NetProcess::end_tunnel() {
  if (link_ && link_->closing()) return;
  // Before the close frame, and after all data that was accepted.
  if (source_ && tunnel_) tunnel_->end_streams();
  close(wire::kCloseNormal, {DownReason::kStopped, 0, 0, ""});
}

void NetProcess::close(uint16_t code, ipc::Down end) {
  if (link_) return link_->close(code, std::move(end));
  report_and_exit(end);
}

// ---- the link ----

void NetProcess::on_upgraded(Upgraded upgraded) {
  link_ = std::make_unique<Link>(
      loop_, log_, std::move(upgraded), ping_period_, sender_,
      [this](Bytes message) { return on_early_message(message); },
      [this](const ipc::Down& end) { on_link_end(end); });
  deferred_.destroy(std::move(handshake_));
  if (names_services_) {
    services_deadline_.start(limits::kNegotiation);
  } else {
    announce({});
  }
  link_->start();
}

void NetProcess::announce(std::vector<std::string> services) {
  services_deadline_.stop();
  monitor_.send(ipc::Up{{std::move(services)}});
  if (phase_ == Phase::kNegotiating) {
    phase_ = Phase::kAnnounced;
    monitor_.set_state(State::kUp);
  }
  // Nothing more is read until the monitor has matched the services.
  link_->pause(true);
}

Result<> NetProcess::on_early_message(Bytes bytes) {
  if (phase_ != Phase::kNegotiating) {
    early_.emplace_back(as_text(bytes));
    return {};
  }
  auto message = wire::decode_message(bytes);
  if (!message) return message.error();
  if (message->type != wire::MessageType::kServiceIds) {
    return Error("the first message of the service is " + to_string(message->type) +
                 " instead of SERVICE_IDS");
  }
  announce(std::move(message->service_ids));
  return {};
}

void NetProcess::on_link_end(const ipc::Down& end) {
  if (end.what != DownReason::kClosed || channels_.empty()) return report_and_exit(end);
  // The tunnel was closed in order: deliver what it received before closing the local connections.
  end_ = end;
  phase_ = Phase::kDraining;
  drain_.start(limits::kLinger);
  std::vector<LocalChannel*> open;
  for (const auto& [number, channel] : channels_)
    open.push_back(channel.get());
  for (LocalChannel* const channel : open)
    channel->finish();
}

void NetProcess::report_and_exit(const ipc::Down& end) {
  monitor_.send(end);
  loop_.stop();
}

// ---- the tunnel ----

Connection* NetProcess::open(uint16_t service) {
  if (bridge_gone_ || breached_) return nullptr;
  if (!opens_.take(TokenBucket::Clock::now())) {
    breached_ = true;
    close(wire::kCloseProtocolError,
          {DownReason::kProtocol, 0, 0,
           "the other end opens more than " + grouped(limits::kOpensPerSecond) + " connections a second"});
    return nullptr;
  }
  const ConnectionNumber number = next_number_++;
  bridge_.send(ipc::Open{service, number});
  if (bridge_.queued() > kBusyBridge && !bridge_busy_.running()) {
    bridge_busy_.start(kBridgePoll);
    update_pause();
  }
  return &add_channel(number, service);
}

void NetProcess::on_bridge_busy() {
  if (bridge_.queued() > 0) return bridge_busy_.start(kBridgePoll);
  update_pause();
}

void NetProcess::send(const wire::Message& message) {
  log_.trace("sending " + to_string(message.type) + " stream " + std::to_string(message.stream_id) +
             " connection " + std::to_string(message.connection_id));
  sender_.send(message);
}

void NetProcess::note(std::string text) {
  log_.warning(text);
}

// ---- the bridge ----

void NetProcess::on_bridge_end(Port::End end, const std::string& what) {
  if (end != Port::End::kClosed) return report_and_exit({DownReason::kStopped, 0, 0, what});
  bridge_gone_ = true;
  std::vector<LocalChannel*> unattached;
  for (const auto& [number, channel] : channels_) {
    if (!channel->attached()) unattached.push_back(channel.get());
  }
  for (LocalChannel* const channel : unattached)
    on_broken(*channel);
  // At a stop the bridge often ends first, and the tunnel still has to be closed. STOP may be on its way; if
  // it is not, the bridge has died and the monitor is about to end the run.
  if (!ending()) orphaned_.start(limits::kDrain);
}

void NetProcess::note_room(bool room) {
  if (!room && no_room_.failed())
    log_.error(std::string(kNoRoom) + "; connections are reset until there is room again");
  if (!room) return;
  if (const size_t lost = no_room_.over(); lost > 0)
    log_.info("there is room for descriptors again; " + std::to_string(lost) + " connections were reset");
}

void NetProcess::on_accepted(const ipc::Accepted& message, FdPair channel_ends) {
  note_room(channel_ends.second.valid());
  if (!channel_ends.second || ending() || message.service >= tunnel_->services().size()) {
    bridge_.send(ipc::Reset{message.connection});
    return;
  }
  LocalChannel& channel = add_channel(message.connection, message.service);
  tunnel_->local_opened(channel);
  if (tunnel_->expects_answer() && !silence_.running()) silence_.start(limits::kSilence);
  channel.attach(std::move(channel_ends));
}

void NetProcess::on_opening(const ipc::Opening& message, FdPair channel_ends) {
  LocalChannel* const channel = find(message.connection);
  if (channel == nullptr || channel->attached()) return;
  note_room(channel_ends.second.valid());
  if (channel_ends.second) return channel->attach(std::move(channel_ends));
  bridge_.send(ipc::Reset{message.connection});
  on_broken(*channel);
}

void NetProcess::on_failed(const ipc::Failed& message) {
  if (LocalChannel* const channel = find(message.connection)) on_broken(*channel);
}

// ---- local channels ----

void NetProcess::on_local_end(LocalChannel& channel) {
  tunnel_->local_closed(channel);
  channel.finish();
}

void NetProcess::on_broken(LocalChannel& channel) {
  tunnel_->local_closed(channel);
  discard(channel);
}

void NetProcess::on_backlog(LocalChannel&, bool full) {
  full_ = full ? full_ + 1 : full_ - 1;
  update_pause();
}

void NetProcess::on_stalled(LocalChannel& channel) {
  // The only connection of a source keeps nothing waiting, since only a source opens connections. But a
  // connection that only has to be flushed is not kept forever.
  if (source_ && channels_.size() == 1 && phase_ == Phase::kServing && !channel.finishing())
    return channel.wait_again();
  log_.warning("connection " + std::to_string(channel.number()) + " of service '" +
               tunnel_->services()[channel.service()] + "' is reset: its local side takes nothing, " +
               (channel.finishing() ? "and the peer has ended it" : "and keeps the whole tunnel waiting"));
  tunnel_->local_closed(channel);
  bridge_.send(ipc::Reset{channel.number()});
  discard(channel);
}

void NetProcess::on_flushed(LocalChannel& channel) {
  bridge_.send(ipc::Finish{channel.number()});
  discard(channel);
}

LocalChannel* NetProcess::find(ConnectionNumber number) {
  const auto found = channels_.find(number);
  return found == channels_.end() ? nullptr : found->second.get();
}

LocalChannel& NetProcess::add_channel(ConnectionNumber number, uint16_t service) {
  auto& channel = channels_[number];
  check(channel == nullptr, "a connection number is used twice");
  channel = std::make_unique<LocalChannel>(loop_, number, service, stall_, sender_, *this);
  return *channel;
}

void NetProcess::discard(LocalChannel& channel) {
  if (channel.given_up()) return;
  channel.give_up();
  tunnel_->forget(channel);
  if (channel.full()) on_backlog(channel, false);
  auto node = channels_.extract(channel.number());
  // Its channel closes from the loop, after the messages about it have been sent.
  deferred_.destroy(std::move(node.mapped()));
  if (channels_.empty()) {
    trim_.start(limits::kTrim);
    silence_.stop();
  }
  end_if_drained();
}

void NetProcess::update_pause() {
  link_->pause(full_ > 0 || !tunnel_ || bridge_busy_.running());
}

}  // namespace localproxy::net
