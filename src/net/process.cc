#include "net/process.h"

#include <malloc.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "base/limits.h"
#include "base/secret.h"

namespace localproxy::net {

using ipc::DownClass;
using ipc::Port;
using ipc::Role;
using ipc::State;

namespace {

constexpr const char* kNoRoom =
    "no descriptor is left for what the other processes send: raise ulimit -n, LimitNOFILE= of systemd";

// Positive, and not to be guessed from the last tunnel connection's.
uint32_t random_stream_id() {
  static_assert(std::has_single_bit(limits::kMaxFirstStreamId));
  std::array<uint8_t, 4> bytes{};
  tls::random_bytes(bytes);
  return load_be<uint32_t>(bytes.data()) % limits::kMaxFirstStreamId + 1;
}

}  // namespace

Process::Process(event::Loop& loop, Log& log, tls::Context& context, Port& monitor, UniqueFd bridge)
    : loop_(loop),
      log_(log),
      monitor_(monitor),
      bridge_(loop, std::move(bridge), Role::kNet, Role::kBridge,
              [this](Port::End end, const std::string& what) { on_bridge_end(end, what); }),
      link_(loop, log, context, *this),
      deferred_(loop),
      drain_(
          loop,
          [this] {
            if (ending_) return report_and_exit(end_);
            log_.warning(std::to_string(locals_.size()) + " connections did not drain in time and are reset");
            end_tunnel();
          }),
      services_deadline_(
          loop,
          [this] {
            link_.close(wire::kCloseGoingAway,
                        {DownClass::kLost, 0, 0, "the service did not say which services the tunnel has"});
          }),
      orphaned_(loop, [this] { loop_.stop(); }),
      silence_(loop, [this] { tunnel_->waited(); }),
      trim_(loop, [] { ::malloc_trim(0); }) {
  bridge_.set_reading(false);
  monitor_.on<ipc::Grant>([this](ipc::Grant& grant, UniqueFd socket) { on_grant(grant, std::move(socket)); });
  monitor_.on<ipc::Services>([this](const ipc::Services& message) { on_services(message); });
  monitor_.on<ipc::Stop>([this](const ipc::Stop&) { on_stop(); });
  bridge_.on<ipc::Accepted>([this](const ipc::Accepted& m, UniqueFd fd) { on_accepted(m, std::move(fd)); });
  bridge_.on<ipc::Opening>([this](const ipc::Opening& m, UniqueFd fd) { on_opening(m, std::move(fd)); });
  bridge_.on<ipc::Failed>([this](const ipc::Failed& m) { on_failed(m); });
}

Process::~Process() = default;

// ---- the monitor ----

void Process::on_grant(ipc::Grant& grant, UniqueFd socket) {
  monitor_.set_state(State::kNegotiating);
  source_ = grant.source != 0;
  max_connections_ = grant.max_connections;
  stall_ = std::chrono::milliseconds(grant.stall_ms);
  check(grant.peer_version >= 1 && grant.peer_version <= 3, "the versions of the protocol are 1 to 3");
  const int subprotocol = subprotocol_version(grant.subprotocol.value);
  // The service takes no field that is newer than the subprotocol.
  version_ = std::min<int>(grant.peer_version, subprotocol);
  // Version 1 of the protocol has no SERVICE_IDS.
  expects_services_ = subprotocol > 1;
  if (!socket) return report_and_exit({DownClass::kLost, 0, 0, kNoRoom});
  link_.start(std::move(socket), std::move(grant));
}

void Process::on_services(const ipc::Services& message) {
  if (stopping_ || ending_) return;
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
      return link_.close(wire::kCloseProtocolError, {DownClass::kProtocol, 0, 0, taken.error().text()});
    }
  }
  update_pause();
}

void Process::on_stop() {
  monitor_.set_state(State::kStopping);
  stopping_ = true;
  orphaned_.stop();
  if (ending_) return;
  drain_.start(limits::kDrain);
  end_if_drained();
}

void Process::end_if_drained() {
  if (!locals_.empty()) return;
  if (ending_) return report_and_exit(end_);
  if (stopping_) end_tunnel();
}

void Process::end_tunnel() {
  if (link_.closing()) return;
  // In front of the close frame, and behind everything that was accepted.
  if (source_ && tunnel_) tunnel_->end_streams();
  link_.close(wire::kCloseNormal, {DownClass::kStopped, 0, 0, ""});
}

// ---- the link ----

void Process::on_open(const std::string& channel_id) {
  channel_id_ = channel_id;
  if (!expects_services_) return announce({});
  services_deadline_.start(limits::kNegotiation);
}

void Process::announce(std::vector<std::string> services) {
  expects_services_ = false;
  services_deadline_.stop();
  monitor_.send(ipc::Up{{channel_id_}, {std::move(services)}});
  if (!stopping_) monitor_.set_state(State::kUp);
  // Nothing more is read until the monitor has matched the services.
  link_.pause(true);
}

Result<> Process::on_bytes(Bytes bytes) {
  return splitter_.feed(bytes, [this](Bytes message) { return on_message(message); });
}

Result<> Process::on_message(Bytes message) {
  if (tunnel_) return tunnel_->receive(message);
  if (expects_services_) return on_first_message(message);
  early_.emplace_back(as_text(message));
  return {};
}

Result<> Process::on_first_message(Bytes bytes) {
  auto message = wire::decode_message(bytes);
  if (!message) return message.error();
  if (message->type != wire::MessageType::kServiceIds) {
    return Error("the first message of the service is " + to_string(message->type) +
                 " instead of SERVICE_IDS");
  }
  announce(std::move(message->service_ids));
  return {};
}

void Process::on_room() {
  while (!waiting_.empty() && link_.has_room()) {
    Local* local = find(waiting_.front());
    waiting_.pop_front();
    if (local == nullptr || local->finishing()) continue;
    local->queued = false;
    local->want_read(true);
    on_readable(*local);
  }
}

void Process::on_end(const LinkEnd& end) {
  if (end.what != DownClass::kClosed || locals_.empty()) return report_and_exit(end);
  // The tunnel was closed in order: what it brought is delivered before the local connections are.
  end_ = end;
  ending_ = true;
  drain_.start(limits::kLinger);
  std::vector<Number> numbers;
  for (const auto& [number, local] : locals_)
    numbers.push_back(number);
  for (const Number number : numbers)
    finish(number);
}

void Process::report_and_exit(const LinkEnd& end) {
  monitor_.send(ipc::Down{end.what, end.retry_after, end.close_code, {end.reason}});
  loop_.stop();
}

// ---- the tunnel ----

void Process::open(Number number, uint16_t service) {
  if (bridge_gone_) return tunnel_->local_closed(number);
  bridge_.send(ipc::Open{service, number});
  add_local(number, service);
}

void Process::deliver(Number number, Bytes bytes) {
  if (Local* local = find(number)) local->write(bytes);
}

void Process::finish(Number number) {
  Local* local = find(number);
  if (local != nullptr && !local->finishing()) local->finish();
}

void Process::send(const wire::Message& message) {
  log_.trace("sending " + to_string(message.type) + " stream " + std::to_string(message.stream_id) +
             " connection " + std::to_string(message.connection_id));
  link_.outbox().append(message);
  link_.flush_soon();
}

void Process::note(std::string text) {
  log_.warning(text);
}

// ---- the bridge ----

void Process::on_bridge_end(Port::End end, const std::string& what) {
  if (end == Port::End::kViolation) {
    log_.error(what);
    return loop_.stop();
  }
  bridge_gone_ = true;
  std::vector<Number> unattached;
  for (const auto& [number, local] : locals_) {
    if (!local->attached()) unattached.push_back(number);
  }
  for (const Number number : unattached) {
    tunnel_->local_closed(number);
    discard(*find(number));
  }
  // At a stop it often is the first to be done; there still is the tunnel to be ended. The word of a stop may
  // be on its way; without one the bridge has died, and the monitor is about to end the run.
  if (!stopping_ && !ending_) orphaned_.start(limits::kDrain);
}

void Process::note_room(bool room) {
  if (!room && no_room_.failed())
    log_.error(std::string(kNoRoom) + "; connections are reset until there is room again");
  if (!room) return;
  if (const size_t lost = no_room_.over(); lost > 0)
    log_.info("there is room for descriptors again; " + std::to_string(lost) + " connections were reset");
}

void Process::on_accepted(const ipc::Accepted& message, UniqueFd channel) {
  note_room(channel.valid());
  if (!channel || stopping_ || ending_ || message.service >= tunnel_->services().size()) {
    bridge_.send(ipc::Reset{message.connection});
    return;
  }
  tunnel_->local_opened(message.connection, message.service);
  if (tunnel_->expects_answer() && !silence_.running()) silence_.start(limits::kSilence);
  add_local(message.connection, message.service).attach(std::move(channel));
}

void Process::on_opening(const ipc::Opening& message, UniqueFd channel) {
  Local* local = find(message.connection);
  if (local == nullptr || local->attached()) return;
  note_room(channel.valid());
  if (channel) return local->attach(std::move(channel));
  bridge_.send(ipc::Reset{message.connection});
  on_broken(*local);
}

void Process::on_failed(const ipc::Failed& message) {
  Local* local = find(message.connection);
  if (local == nullptr) return;
  tunnel_->local_closed(message.connection);
  discard(*local);
}

// ---- local connections ----

void Process::on_readable(Local& local) {
  if (local.dead || local.finishing()) return;
  Outbox& outbox = link_.outbox();
  if (!link_.has_room()) {
    local.want_read(false);
    if (std::exchange(local.queued, true)) return;
    // A keystroke goes before what has much to send.
    local.bulk ? waiting_.push_back(local.number()) : waiting_.push_front(local.number());
    return;
  }
  bool end = false;
  const size_t size = local.read(outbox.payload_room(), end);
  if (size > 0) {
    local.bulk = size >= limits::kBulkRead;
    if (const Route* route = tunnel_->route(local.number())) {
      outbox.commit_data(*route, size);
      link_.flush_soon();
    }
  }
  if (!end) return;
  tunnel_->local_closed(local.number());
  local.finish();
}

void Process::on_broken(Local& local) {
  tunnel_->local_closed(local.number());
  discard(local);
}

void Process::on_backlog(Local&, bool full) {
  full_ = full ? full_ + 1 : full_ - 1;
  update_pause();
}

void Process::on_stalled(Local& local) {
  // Alone at a source, it keeps nobody waiting: only a source opens connections. But one that has only to be
  // flushed is not kept forever.
  if (source_ && locals_.size() == 1 && !stopping_ && !local.finishing()) return local.wait_again();
  log_.warning("connection " + std::to_string(local.number()) + " of service '" +
               tunnel_->services()[local.service()] + "' is reset: its local side takes nothing, " +
               (local.finishing() ? "and the peer has ended it" : "and keeps the whole tunnel waiting"));
  tunnel_->local_closed(local.number());
  bridge_.send(ipc::Reset{local.number()});
  discard(local);
}

void Process::on_flushed(Local& local) {
  bridge_.send(ipc::Finish{local.number()});
  discard(local);
}

Local* Process::find(Number number) {
  const auto found = locals_.find(number);
  return found == locals_.end() ? nullptr : found->second.get();
}

Local& Process::add_local(Number number, uint16_t service) {
  auto& slot = locals_[number];
  check(slot == nullptr, "a connection number is used twice");
  slot = std::make_unique<Local>(loop_, number, service, stall_, *this);
  return *slot;
}

void Process::discard(Local& local) {
  if (std::exchange(local.dead, true)) return;
  if (local.full()) on_backlog(local, false);
  auto node = locals_.extract(local.number());
  // Its channel closes when the loop is back: after the messages about it have been sent.
  deferred_.destroy(std::move(node.mapped()));
  if (locals_.empty()) {
    trim_.start(limits::kTrim);
    silence_.stop();
  }
  end_if_drained();
}

void Process::update_pause() {
  link_.pause(full_ > 0 || !tunnel_);
}

}  // namespace localproxy::net
