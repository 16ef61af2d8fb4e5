#include "bridge/bridge_process.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/address.h"
#include "base/limits.h"

namespace localproxy::bridge {

using ipc::Port;
using ipc::Role;

namespace {

// Clients that are accepted before other descriptors get their turn.
constexpr int kAcceptBatch = 16;
// Connections on one service, in multiples of net's limit: half of them may be closing.
constexpr uint32_t kMaxOvershoot = 2;

}  // namespace

BridgeProcess::BridgeProcess(event::Loop& loop, Log& log, Port& monitor)
    : loop_(loop),
      log_(log),
      monitor_(monitor),
      old_peers_(loop),
      destroy_closed_(loop, [this] { destroy_closed(); }),
      pause_(loop, [this] { resume(); }) {
  monitor_.on<ipc::Listener>([this](const ipc::Listener& m, UniqueFd fd) { on_listener(m, std::move(fd)); });
  monitor_.on<ipc::Target>([this](const ipc::Target& m) { on_target(m); });
  monitor_.on<ipc::Peer>([this](const ipc::Peer& m, UniqueFd fd) { on_peer(m, std::move(fd)); });
  monitor_.on<ipc::Accepting>([this](const ipc::Accepting& m) { on_accepting(m); });
  monitor_.on<ipc::Dialed>([this](const ipc::Dialed& m, UniqueFd fd) { on_dialed(m, std::move(fd)); });
  monitor_.on<ipc::DialFailed>([this](const ipc::DialFailed& m) { on_dial_failed(m); });
  monitor_.on<ipc::Count>([this](const ipc::Count&) { monitor_.send(counters()); });
  monitor_.on<ipc::Stdio>([this](const ipc::Stdio& m) { on_stdio(m); });
  monitor_.on<ipc::Stop>([this](const ipc::Stop&) { on_stop(); });
}

BridgeProcess::~BridgeProcess() = default;

// ---- the monitor ----

void BridgeProcess::on_listener(const ipc::Listener& message, UniqueFd fd) {
  if (!fd) fatal(system_error("cannot listen on " + std::string(message.name.value), EMFILE).text());
  auto listener = std::make_unique<OpenListener>(
      OpenListener{message.service, message.name.value, std::move(fd), nullptr});
  listener->watcher = std::make_unique<event::Watcher>(
      loop_, listener->fd.get(), [this, raw = listener.get()] { accept(*raw); }, [] {});
  listeners_.push_back(std::move(listener));
  service_names_[message.service] = message.service_name.value;
  update_listeners();
}

void BridgeProcess::on_target(const ipc::Target& message) {
  if (targets_.size() <= message.service) targets_.resize(message.service + 1U);
  targets_[message.service] = true;
  service_names_[message.service] = message.service_name.value;
}

void BridgeProcess::on_peer(const ipc::Peer& message, UniqueFd fd) {
  drop_peer();
  // net notices that the other end of its channel is closed, and the monitor starts another net.
  if (!fd) return on_shortage(system_error("cannot take the channel to the net process", EMFILE).text());
  max_connections_ = message.max_connections;
  idle_timeout_ = std::chrono::seconds(message.idle_timeout);
  half_close_linger_ = std::chrono::seconds(message.half_close_linger);
  peer_ = std::make_unique<Port>(loop_, std::move(fd), Role::kBridge, Role::kNet,
                                 [this](Port::End end, const std::string& what) { on_peer_end(end, what); });
  peer_->set_state(ipc::State::kServing);
  peer_->on_shortage([this](int error) {
    if (error == 0) return pause_.start(std::chrono::milliseconds(0));
    on_shortage(system_error("cannot pass a descriptor to the net process", error).text());
  });
  peer_->on<ipc::Open>([this](const ipc::Open& m) { on_open(m); });
  peer_->on<ipc::Finish>([this](const ipc::Finish& m) { on_finish(m); });
  peer_->on<ipc::Reset>([this](const ipc::Reset& m) { on_reset(m); });
  update_listeners();
  begin_stdio();
}

void BridgeProcess::on_accepting(const ipc::Accepting& message) {
  accepting_ = message.on;
  update_listeners();
  begin_stdio();
}

void BridgeProcess::on_dialed(const ipc::Dialed& message, UniqueFd fd) {
  if (!fd) {
    on_shortage(
        system_error("cannot take a connection to " + std::string(message.name.value), EMFILE).text());
    return on_dial_failed({message.cookie});
  }
  const auto dial = dials_.find(message.cookie);
  // The dial was cancelled in the meantime: the socket is closed.
  if (dial == dials_.end()) return;
  Slot* slot = find(dial->second);
  dials_.erase(dial);
  if (slot == nullptr) return;
  slot->cookie = 0;
  LocalConnection& connection = *slot->connection;
  connection.connect(local_side(connection.service(), std::move(fd), message.name.value), idle_timeout_);
}

void BridgeProcess::on_dial_failed(const ipc::DialFailed& message) {
  const auto dial = dials_.find(message.cookie);
  if (dial == dials_.end()) return;
  const uint32_t number = dial->second;
  Slot* slot = find(number);
  dials_.erase(dial);
  if (slot == nullptr) return;
  slot->cookie = 0;
  if (peer_) peer_->send(ipc::Failed{number});
  slot->connection->reset(Ending::kLocal);
}

void BridgeProcess::on_stdio(const ipc::Stdio& message) {
  stdio_ = message.service;
  begin_stdio();
}

void BridgeProcess::on_stop() {
  monitor_.set_state(ipc::State::kStopping);
  stopping_ = true;
  accepting_ = false;
  update_listeners();
  for (auto& [number, slot] : connections_)
    slot.connection->drain();
  end_if_stopped();
}

ipc::Counters BridgeProcess::counters() const {
  ipc::Counters now = counters_;
  const auto add = [&now](const LocalConnection& connection) {
    if (connection.closed()) return;
    now.bytes_out += connection.bytes_out();
    now.bytes_in += connection.bytes_in();
  };
  for (const auto& [number, slot] : connections_)
    add(*slot.connection);
  for (const auto& [raw, connection] : leaving_)
    add(*connection);
  return now;
}

void BridgeProcess::end_if_stopped() {
  if (stopping_ && connections_.empty() && leaving_.empty()) loop_.stop();
}

// ---- net ----

void BridgeProcess::on_open(const ipc::Open& message) {
  const bool known = message.service < targets_.size() && targets_[message.service];
  const bool waits = std::ranges::any_of(
      to_open_, [&](const ipc::Open& open) { return open.connection == message.connection; });
  if (!known || waits || connections_.contains(message.connection)) {
    log_.error("the net process opened a connection that it may not open; its connections are reset");
    return drop_peer();
  }
  // net keeps to its limit, but closing connections count here a little longer. A compromised net gets no
  // further.
  if (open_[message.service] + to_open_.size() >= kMaxOvershoot * max_connections_) {
    peer_->send(ipc::Failed{message.connection});
    return;
  }
  to_open_.push_back(message);
  if (!pause_.running()) open_waiting();
}

void BridgeProcess::open_waiting() {
  for (; !to_open_.empty(); to_open_.pop_front()) {
    const ipc::Open& open = to_open_.front();
    if (add(open.connection, open.service, false) == nullptr) return;
    Slot& slot = connections_.at(open.connection);
    slot.cookie = next_cookie_++;
    dials_.emplace(slot.cookie, open.connection);
    monitor_.send(ipc::Dial{open.service, slot.cookie});
  }
}

void BridgeProcess::on_finish(const ipc::Finish& message) {
  if (Slot* slot = find(message.connection)) slot->connection->finish();
}

void BridgeProcess::on_reset(const ipc::Reset& message) {
  std::erase_if(to_open_, [&](const ipc::Open& open) { return open.connection == message.connection; });
  if (Slot* slot = find(message.connection)) slot->connection->reset(Ending::kReset);
}

void BridgeProcess::on_peer_end(Port::End end, const std::string& what) {
  if (end != Port::End::kClosed) log_.error(what);
  drop_peer();
}

void BridgeProcess::drop_peer() {
  // A port may not be destroyed from inside one of its handlers.
  old_peers_.destroy(std::move(peer_));
  to_open_.clear();
  update_listeners();
  for (auto& [number, slot] : std::exchange(connections_, {})) {
    cancel_dial(slot);
    LocalConnection* connection = slot.connection.get();
    leaving_.emplace(connection, std::move(slot.connection));
    // A finished connection still ends in order if its local side is connected; all others have lost the
    // tunnel in the middle.
    const bool leaves_in_order = connection->finished() && connection->connected();
    if (!connection->closed() && !leaves_in_order) connection->reset(Ending::kTunnelLost);
  }
  end_if_stopped();
}

void BridgeProcess::cancel_dial(Slot& slot) {
  if (slot.cookie == 0) return;
  dials_.erase(slot.cookie);
  monitor_.send(ipc::DialCancel{std::exchange(slot.cookie, 0)});
}

// ---- shortages ----

void BridgeProcess::on_shortage(const std::string& why) {
  if (shortage_.failed()) {
    shortage_of_ = why;
    log_.error(why + "; connections wait until there is enough again");
  }
  pause_.start(limits::kAcceptPause);
  update_listeners();
}

// The pump's pipe comes first: a connection that cannot move a byte would only keep a descriptor from the
// others.
bool BridgeProcess::make_room_for_one() {
  if (auto reserved = pool_.reserve(); !reserved) {
    on_shortage("cannot carry another connection: " + reserved.error().text());
    return false;
  }
  if (spare_) return true;
  auto channel = pipes_.make();
  if (!channel) {
    on_shortage("cannot carry another connection: " + channel.error().text());
    return false;
  }
  spare_ = std::move(*channel);
  return true;
}

void BridgeProcess::resume() {
  if (peer_ && peer_->is_short()) return pause_.start(limits::kAcceptPause);
  pause_.stop();
  if (make_room_for_one()) open_waiting();
  begin_stdio();
  for (const auto& listener : listeners_) {
    if (!pause_.running() && may_accept(*listener)) accept(*listener);
  }
  update_listeners();
  if (pause_.running() || (peer_ && peer_->is_short())) return;
  if (const size_t tries = shortage_.over(); tries > 0)
    log_.info("there is enough for all connections again; it was not " + std::to_string(tries) +
              " times: " + shortage_of_);
}

// ---- listeners ----

bool BridgeProcess::may_accept(const OpenListener& listener) {
  return accepting_ && open_[listener.service] < max_connections_ && peer_ && !peer_->is_short();
}

void BridgeProcess::update_listeners() {
  for (const auto& listener : listeners_) {
    if (open_[listener->service] <= max_connections_ / 2) listener->full = false;
    listener->watcher->want_read(may_accept(*listener) && !pause_.running());
  }
}

void BridgeProcess::accept(OpenListener& listener) {
  for (int i = 0; i < kAcceptBatch && may_accept(listener) && make_room_for_one(); ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    UniqueFd socket(::accept4(listener.fd.get(), reinterpret_cast<sockaddr*>(&address), &size,
                              SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) {
      if (is_exhaustion(errno))
        on_shortage(system_error("cannot accept a connection on " + listener.name, errno).text());
      break;
    }
    std::string name = to_string(reinterpret_cast<const sockaddr&>(address), size);
    const bool tcp = address.ss_family != AF_UNIX;
    const int on = 1;
    if (tcp) ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    LocalSide local = local_side(listener.service, std::move(socket), std::move(name));
    log_.info(std::string("Accepted ") + (tcp ? "tcp " : "") + "connection on " + listener.name + " from " +
              local.name + " (" + local.label + ")");
    add_accepted(listener.service, std::move(local));
  }
  if (open_[listener.service] < max_connections_) return;
  ++counters_.full;
  update_listeners();
  // Logged once an episode, which lasts until half of the connections have ended: a busy service is at its
  // limit all the time.
  if (std::exchange(listener.full, true)) return;
  log_.warning(listener.name + " has its limit of " + std::to_string(max_connections_) +
               " connections: further ones wait until one ends (setting tcp.max_active_connections)");
}

void BridgeProcess::begin_stdio() {
  if (!stdio_ || !accepting_ || !peer_ || !make_room_for_one()) return;
  // The monitor has made both non-blocking.
  LocalSide local = local_side(*stdio_, UniqueFd(STDIN_FILENO), "standard input and output");
  local.output = UniqueFd(STDOUT_FILENO);
  log_.debug("standard input and output are connected");
  stdio_used_ = add_accepted(*std::exchange(stdio_, std::nullopt), std::move(local));
  if (stdio_used_ == nullptr) monitor_.send(ipc::StdioEnded{true});
}

LocalConnection* BridgeProcess::add_accepted(uint16_t service, LocalSide local) {
  while (connections_.contains(next_number_) || next_number_ == 0)
    ++next_number_;
  local.accepted = true;
  LocalConnection* connection = add(next_number_++, service, true);
  if (connection != nullptr) connection->connect(std::move(local), idle_timeout_, half_close_linger_);
  return connection;
}

// ---- connections ----

LocalConnection* BridgeProcess::add(uint32_t number, uint16_t service, bool accepted) {
  if (!make_room_for_one()) return nullptr;
  ChannelEnds channel = *std::exchange(spare_, std::nullopt);
  Slot slot;
  slot.connection = std::make_unique<LocalConnection>(loop_, pool_, pipes_, number, service,
                                                      std::move(channel.bridge), *this);
  LocalConnection* connection = slot.connection.get();
  connections_.emplace(number, std::move(slot));
  ++open_[service];
  ++counters_.open;
  ++counters_.opened;
  if (accepted) {
    peer_->send(ipc::Accepted{service, number}, std::move(channel.net));
  } else {
    peer_->send(ipc::Opening{number}, std::move(channel.net));
  }
  return connection;
}

BridgeProcess::Slot* BridgeProcess::find(uint32_t number) {
  const auto found = connections_.find(number);
  return found == connections_.end() ? nullptr : &found->second;
}

void BridgeProcess::on_channel_end() {
  if (peer_) peer_->drain();
}

void BridgeProcess::on_idle(LocalConnection& connection) {
  log_.info("the connection with " + connection.name() + " was idle for " +
            std::to_string(idle_timeout_.count()) + " s and is closed");
}

void BridgeProcess::on_closed(LocalConnection& connection) {
  if (&connection == stdio_used_) {
    stdio_used_ = nullptr;
    monitor_.send(ipc::StdioEnded{!connection.finished() || connection.cut()});
  }
  if (connection.connected())
    log_.info("Disconnected from: " + connection.name() + " (" + connection.summary() + ")");
  counters_.bytes_out += connection.bytes_out();
  counters_.bytes_in += connection.bytes_in();
  --counters_.open;
  --open_[connection.service()];
  // Destroyed from the loop, together with its descriptors.
  closed_.push_back(&connection);
  destroy_closed_.start();
}

void BridgeProcess::destroy_closed() {
  for (LocalConnection* connection : std::exchange(closed_, {})) {
    const auto found = connections_.find(connection->number());
    if (found != connections_.end() && found->second.connection.get() == connection) {
      cancel_dial(found->second);
      connections_.erase(found);
    }
    leaving_.erase(connection);
  }
  if (connections_.empty() && leaving_.empty()) {
    pool_.clear();
    spare_.reset();
  }
  if (shortage_.lasts()) resume();
  update_listeners();
  end_if_stopped();
}

}  // namespace localproxy::bridge
