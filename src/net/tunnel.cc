#include "net/tunnel.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "net/peer_notes.h"

namespace localproxy::net {

using wire::Message;
using wire::MessageType;

namespace {

std::string describe(const Message& message) {
  return to_string(message.type) + " (stream " + std::to_string(message.stream_id) + ", service '" +
         message.service_id + "', connection " + std::to_string(message.connection_id) + ")";
}

// An absent connection id means the stream's first connection.
uint32_t connection_or_first(uint32_t id) {
  return id == 0 ? 1 : id;
}

}  // namespace

Tunnel::Tunnel(bool source, std::vector<std::string> services, Format format, uint32_t first_stream_id,
               uint32_t max_connections, TunnelEvents& events, uint32_t max_id)
    : source_(source),
      services_(std::move(services)),
      format_(format),
      state_(services_.size()),
      max_id_(max_id),
      next_stream_id_(first_stream_id),
      max_connections_(max_connections),
      events_(events) {
  check(first_stream_id > 0 && first_stream_id <= max_id, "a stream id is positive, and not too large");
  check(!source || format.service_id || services_.size() == 1, "version 1 is for tunnels of one service");
}

// ---- the local side ----

void Tunnel::local_opened(Connection& connection) {
  check(source_, "a destination accepts no local connections");
  const uint16_t index = connection.service();
  Service& service = state_.at(index);
  Message start;
  start.type = MessageType::kConnectionStart;
  if (needs_new_stream(service)) {
    give_up_stream(index);
    start.type = MessageType::kStreamStart;
    service = Service{.stream_id = static_cast<int32_t>(next_stream_id_), .format = format_};
    next_stream_id_ = next_id(next_stream_id_);
  }
  add(connection, next_connection_id(service));
  const Route& route = connection.route_;
  start.stream_id = route.stream_id;
  start.service_id = route.service_id;
  start.connection_id = route.connection_id;
  events_.send(start);
}

// An older destination, and one that restarted after this stream's start, accepts only STREAM_START. When
// nothing is open, any other destination accepts it as well.
bool Tunnel::needs_new_stream(const Service& service) const {
  return service.open.empty() || !format_.connection_id || peer_ == PeerFormat::kOlder;
}

uint32_t Tunnel::next_connection_id(Service& service) const {
  do {
    service.last_connection_id = next_id(service.last_connection_id);
  } while (service.open.contains(service.last_connection_id));
  return service.last_connection_id;
}

void Tunnel::local_closed(Connection& connection) {
  if (!connection.open()) return;
  const uint16_t index = connection.service();
  const Service& service = state_[index];
  remove(connection);
  note_end(connection);
  // For a peer without connection ids the connection is the stream.
  if (peer_ == PeerFormat::kOlder || !service.format.connection_id) return give_up_stream(index);
  reset_connection(service.format, connection.route_.service_id, service.stream_id, connection.id_);
  if (source_ && service.open.empty()) give_up_stream(index);
}

void Tunnel::forget(Connection& connection) {
  if (connection.open()) remove(connection);
}

void Tunnel::end_streams() {
  check(source_, "a destination has no streams of its own");
  for (size_t i = 0; i < state_.size(); ++i) {
    Service& service = state_[i];
    if (service.stream_id != 0) reset_stream(service.format, services_[i], service.stream_id);
    while (!service.open.empty())
      remove(*service.open.begin()->second);
    service = {};
  }
}

// ---- the service's side ----

Result<> Tunnel::receive(Bytes bytes) {
  wire::DataView data;
  if (wire::decode_data(bytes, data) && data.stream_id != 0) {
    on_data(data);
    return {};
  }
  auto message = wire::decode_message(bytes);
  if (!message) return message.error();
  return receive_other(*message);
}

Result<> Tunnel::receive_other(const Message& message) {
  if (message.type == MessageType::kSessionReset) {
    events_.note("the service reset the session");
    close_all();
    return {};
  }
  if (message.type == MessageType::kServiceIds) return on_service_ids(message);
  if (message.type < MessageType::kData || message.type > MessageType::kConnectionReset) {
    if (message.ignorable) return {};
    return Error("a message of unknown " + to_string(message.type) + " that may not be ignored");
  }
  if (message.stream_id == 0) return Error(describe(message) + " without a stream id");
  const auto service = find_service(message.service_id);
  if (!service) {
    if (message.service_id.empty()) {
      events_.note(nameless_note(describe(message), source_, services_));
    } else {
      events_.note("ignored " + describe(message) + ": this tunnel has no such service");
    }
    return {};
  }
  switch (message.type) {
    case MessageType::kData:
      on_data({message.stream_id, message.service_id, message.connection_id, as_bytes(message.payload)});
      return {};
    case MessageType::kStreamStart:
      return on_stream_start(message, *service);
    case MessageType::kConnectionStart:
      return on_connection_start(message, *service);
    case MessageType::kStreamReset:
      if (message.stream_id == state_[*service].stream_id) close_stream(*service);
      return {};
    case MessageType::kConnectionReset:
      on_connection_reset(message, *service);
      return {};
    case MessageType::kUnknown:
    case MessageType::kSessionReset:
    case MessageType::kServiceIds:
      break;
  }
  fatal("a message type without a rule");
}

void Tunnel::on_data(const wire::DataView& data) {
  const auto index = find_service(data.service_id);
  if (!index) {
    // Noted once: such a peer may send any amount of it.
    if (data.service_id.empty() && !std::exchange(nameless_data_noted_, true))
      events_.note(nameless_note("DATA", source_, services_));
    return;
  }
  Service& service = state_[*index];
  // Data for a stream or connection that has ended was in flight when it ended.
  if (service.stream_id == 0 || data.stream_id != service.stream_id) return;
  heard_ = true;
  if (source_ && !service.answered) recognise(service, data);
  const auto open = service.open.find(connection_or_first(data.connection_id));
  if (open != service.open.end() && !data.payload.empty()) open->second->deliver(data.payload);
}

void Tunnel::on_connection_reset(const Message& message, uint16_t index) {
  Service& service = state_[index];
  if (message.stream_id != service.stream_id) return;
  const uint32_t id = connection_or_first(message.connection_id);
  if (source_ && peer_ == PeerFormat::kUnknown) {
    // The service generates these itself, but only in answer to a CONNECTION_START.
    if (message.connection_id == 1) {
      peer_ = PeerFormat::kCurrent;
      heard_ = true;
    }
    if (id > 1 && service.open.contains(id) && !std::exchange(refusal_noted_, true)) {
      events_.note("connection " + std::to_string(id) + " of service '" + services_[index] +
                   "' was refused before the destination has answered on any. A destination of version 1 or "
                   "2 takes one connection at a time: if it is one, start with -y V1 or -y V2");
    }
  }
  close_connection(index, id);
  if (!source_ || !service.open.empty()) return;
  // Without connection ids the connection is the stream.
  if (!service.format.connection_id) service.stream_id = 0;
  give_up_stream(index);
}

Result<> Tunnel::on_stream_start(const Message& message, uint16_t service) {
  if (source_) return Error("the destination sent " + describe(message) + ", which only a source may");
  start_stream(message, service);
  accept(message, service);
  return {};
}

Result<> Tunnel::on_connection_start(const Message& message, uint16_t index) {
  Service& service = state_[index];
  if (source_) {
    events_.note("the destination sent " + describe(message) +
                 ", which only a source may: connection closed");
    if (message.stream_id == service.stream_id) {
      const auto open = service.open.find(message.connection_id);
      if (open != service.open.end()) {
        Connection& connection = *open->second;
        local_closed(connection);
        connection.finish();
      }
    }
    return {};
  }
  const uint32_t id = connection_or_first(message.connection_id);
  // One known peer continues its numbering after we reconnect, so the first CONNECTION_START counts as the
  // start of the stream.
  if (service.stream_id == 0) start_stream(message, index);
  if (message.stream_id == service.stream_id && !service.format.connection_id && !service.open.empty()) {
    // Not answered either: in the stream's format, an answer would refer to the open connection.
    events_.note("ignored " + describe(message) + ": its stream was started without connection ids");
    return {};
  }
  if (message.stream_id != service.stream_id || service.open.contains(id)) {
    events_.note("refused " + describe(message) +
                 ": the stream is another, or the connection is open already");
    const bool current = message.stream_id == service.stream_id;
    reset_connection(current ? service.format : common(format_of(message), format_), message.service_id,
                     message.stream_id, id);
    return {};
  }
  accept(message, index);
  return {};
}

Result<> Tunnel::on_service_ids(const Message& message) {
  std::vector<std::string> now = message.service_ids;
  std::vector<std::string> before = services_;
  if (now.empty()) now.emplace_back();
  std::sort(now.begin(), now.end());
  std::sort(before.begin(), before.end());
  if (now != before) return Error("the service changed the services of the tunnel while it was connected");
  return {};
}

// ---- streams and connections ----

void Tunnel::start_stream(const Message& message, uint16_t index) {
  close_stream(index);
  Service& service = state_[index];
  service.stream_id = message.stream_id;
  service.format = common(format_of(message), format_);
}

void Tunnel::accept(const Message& message, uint16_t index) {
  Service& service = state_[index];
  const uint32_t id = connection_or_first(message.connection_id);
  if (service.open.size() >= max_connections_) {
    events_.note("refused " + describe(message) + ": the service has " + std::to_string(max_connections_) +
                 " connections already");
    reset_connection(service.format, message.service_id, message.stream_id, id);
    return;
  }
  if (Connection* const connection = events_.open(index)) {
    add(*connection, id);
  } else {
    reset_connection(service.format, message.service_id, message.stream_id, id);
  }
}

void Tunnel::add(Connection& connection, uint32_t connection_id) {
  Service& service = state_[connection.service()];
  service.open.emplace(connection_id, &connection);
  ++open_;
  connection.open_ = true;
  connection.id_ = connection_id;
  connection.route_ = {.stream_id = service.stream_id};
  if (service.format.service_id) connection.route_.service_id = services_[connection.service()];
  if (service.format.connection_id) connection.route_.connection_id = connection_id;
}

void Tunnel::remove(Connection& connection) {
  state_[connection.service()].open.erase(connection.id_);
  connection.open_ = false;
  --open_;
}

void Tunnel::close_connection(uint16_t index, uint32_t connection_id) {
  const auto open = state_[index].open.find(connection_id);
  if (open == state_[index].open.end()) return;
  Connection& connection = *open->second;
  remove(connection);
  note_end(connection);
  connection.finish();
}

void Tunnel::close_stream(uint16_t index) {
  Service& service = state_[index];
  while (!service.open.empty())
    close_connection(index, service.open.begin()->first);
  service.stream_id = 0;
}

// Some destinations refuse the start of a stream while the previous one exists. The reset must go out while
// the destination still knows the stream: AWS's library crashes on the reset of an unknown stream without a
// service id.
void Tunnel::give_up_stream(uint16_t index) {
  const Service& service = state_[index];
  const int32_t stream_id = service.stream_id;
  close_stream(index);
  if (stream_id != 0) reset_stream(service.format, services_[index], stream_id);
}

void Tunnel::close_all() {
  for (size_t i = 0; i < state_.size(); ++i)
    close_stream(static_cast<uint16_t>(i));
}

void Tunnel::reset_connection(Format format, std::string_view service_id, int32_t stream_id,
                              uint32_t connection_id) {
  // A peer without connection ids knows only whole streams.
  if (!format.connection_id) return reset_stream(format, service_id, stream_id);
  Message reset;
  reset.type = MessageType::kConnectionReset;
  reset.stream_id = stream_id;
  if (format.service_id) reset.service_id = service_id;
  reset.connection_id = connection_id;
  events_.send(reset);
}

void Tunnel::reset_stream(Format format, std::string_view service_id, int32_t stream_id) {
  Message reset;
  reset.type = MessageType::kStreamReset;
  reset.stream_id = stream_id;
  if (format.service_id) reset.service_id = service_id;
  // AWS's library takes a reset without a connection id for a message of another version.
  if (format.connection_id) reset.connection_id = 1;
  events_.send(reset);
}

std::optional<uint16_t> Tunnel::find_service(std::string_view id) const {
  if (id.empty() && services_.size() == 1) return uint16_t{0};
  for (size_t i = 0; i < services_.size(); ++i) {
    if (services_[i] == id) return static_cast<uint16_t>(i);
  }
  return std::nullopt;
}

// ---- what a source learns about its destination ----

void Tunnel::recognise(Service& service, const wire::DataView& first) {
  service.answered = true;
  if (!format_.connection_id) return;  // we speak an older version, and so does the destination
  if (first.connection_id != 0) {
    peer_ = PeerFormat::kCurrent;
    return;
  }
  if (std::exchange(peer_, PeerFormat::kOlder) == PeerFormat::kOlder) return;
  events_.note(older_destination_note(first));
  keep_first_connections();
}

// An older destination has not understood the others.
void Tunnel::keep_first_connections() {
  for (size_t i = 0; i < state_.size(); ++i) {
    Service& service = state_[i];
    while (!service.open.empty() && service.open.rbegin()->first > 1) {
      close_connection(static_cast<uint16_t>(i), service.open.rbegin()->first);
    }
  }
}

// Only a connection that sent data and got no answer is noted; a probe of the port is not.
void Tunnel::note_end(const Connection& connection) {
  if (connection.used_ && expects_answer()) {
    note_silence("a connection to service '" + services_[connection.service()] + "' has ended");
  }
}

void Tunnel::waited() {
  if (expects_answer() && open_ > 0) note_silence("connections wait");
}

void Tunnel::note_silence(const std::string& what) {
  silence_noted_ = true;
  events_.note(silence_note(what, format_, services_.size()));
}

}  // namespace localproxy::net
