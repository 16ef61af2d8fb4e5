#include "net/tunnel.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/log.h"

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

Tunnel::Tunnel(bool source, std::vector<std::string> services, Format format, int32_t first_stream_id,
               uint32_t max_connections, TunnelEvents& events)
    : source_(source),
      services_(std::move(services)),
      format_(format),
      state_(services_.size()),
      next_stream_id_(first_stream_id),
      max_connections_(max_connections),
      events_(events) {
  check(first_stream_id > 0, "a stream id is positive");
  check(!source || format.service_id || services_.size() == 1, "version 1 is for tunnels of one service");
}

// ---- the local side ----

bool Tunnel::local_opened(Number number, uint16_t index) {
  check(source_, "a destination accepts no local connections");
  Service& service = state_.at(index);
  Message start;
  start.type = MessageType::kConnectionStart;
  if (needs_new_stream(service)) {
    close_stream(index);
    start.type = MessageType::kStreamStart;
    service = Service{.stream_id = next_stream_id_, .format = format_};
    next_stream_id_ = next_stream_id_ == std::numeric_limits<int32_t>::max() ? 1 : next_stream_id_ + 1;
  }
  if (service.last_connection_id == std::numeric_limits<uint32_t>::max()) return false;
  add(number, index, ++service.last_connection_id);
  const Route& route = connections_.at(number).route;
  start.stream_id = route.stream_id;
  start.service_id = route.service_id;
  start.connection_id = route.connection_id;
  events_.send(start);
  return true;
}

bool Tunnel::needs_new_stream(const Service& service) const {
  if (service.stream_id == 0 || !format_.connection_id) return true;
  switch (peer_) {
    case Peer::kOlder:
      return true;
    case Peer::kCurrent:
      return false;
    case Peer::kUnknown:
      // An older destination takes the start of a stream and nothing else, and to one of version 3 it is as
      // good when nothing is open.
      return service.open.empty();
  }
  fatal("a peer of no kind");
}

void Tunnel::local_closed(Number number) {
  const auto found = connections_.find(number);
  if (found == connections_.end()) return;
  const Connection connection = found->second;
  Service& service = state_[connection.service];
  service.open.erase(connection.connection_id);
  connections_.erase(found);
  Format format = service.format;
  if (peer_ == Peer::kOlder) format.connection_id = false;
  reset_peer(format, connection.route.service_id, service.stream_id, connection.connection_id);
  // Without connection ids the connection was the stream.
  if (!format.connection_id) service.stream_id = 0;
}

const Route* Tunnel::route(Number number) const {
  const auto found = connections_.find(number);
  return found == connections_.end() ? nullptr : &found->second.route;
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
      note_nameless(describe(message));
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
    // Once: a peer that is not understood may send any amount of it.
    if (data.service_id.empty() && !std::exchange(nameless_data_noted_, true)) note_nameless("DATA");
    return;
  }
  Service& service = state_[*index];
  // What belongs to a stream or a connection that has ended was on its way when it did.
  if (service.stream_id == 0 || data.stream_id != service.stream_id) return;
  if (source_ && !service.answered) recognise(service, data);
  const auto open = service.open.find(connection_or_first(data.connection_id));
  if (open != service.open.end() && !data.payload.empty()) events_.deliver(open->second, data.payload);
}

void Tunnel::on_connection_reset(const Message& message, uint16_t index) {
  Service& service = state_[index];
  if (message.stream_id != service.stream_id) return;
  const uint32_t id = connection_or_first(message.connection_id);
  if (source_ && peer_ == Peer::kUnknown) {
    // The service makes these itself, but only as the answer to a CONNECTION_START.
    if (message.connection_id == 1) peer_ = Peer::kCurrent;
    if (id > 1 && service.open.contains(id) && !std::exchange(refusal_noted_, true)) {
      events_.note("connection " + std::to_string(id) + " of service '" + services_[index] +
                   "' was refused before the destination has answered on any. A destination of version 1 or "
                   "2 takes one connection at a time: if it is one, start with -y V1 or -y V2");
    }
  }
  close_connection(index, id);
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
        const Number number = open->second;
        local_closed(number);
        events_.finish(number);
      }
    }
    return {};
  }
  const uint32_t id = connection_or_first(message.connection_id);
  // One known peer goes on with its numbers after a reconnect of ours, so the first start of a connection
  // counts as the start of the stream.
  if (service.stream_id == 0) start_stream(message, index);
  if (message.stream_id == service.stream_id && !service.format.connection_id && !service.open.empty()) {
    // No answer either: none in the stream's format would mean this connection and not the open one.
    events_.note("ignored " + describe(message) + ": its stream was started without connection ids");
    return {};
  }
  if (message.stream_id != service.stream_id || service.open.contains(id)) {
    events_.note("refused " + describe(message) +
                 ": the stream is another, or the connection is open already");
    const bool current = message.stream_id == service.stream_id;
    reset_peer(current ? service.format : common(format_of(message), format_), message.service_id,
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
    reset_peer(service.format, message.service_id, message.stream_id, id);
    return;
  }
  const Number number = next_number_++;
  add(number, index, id);
  events_.open(number, index);
}

void Tunnel::add(Number number, uint16_t index, uint32_t connection_id) {
  Service& service = state_[index];
  service.open.emplace(connection_id, number);
  Route route;
  route.stream_id = service.stream_id;
  if (service.format.service_id) route.service_id = services_[index];
  if (service.format.connection_id) route.connection_id = connection_id;
  connections_.emplace(number, Connection{index, connection_id, route});
}

void Tunnel::close_connection(uint16_t index, uint32_t connection_id) {
  Service& service = state_[index];
  const auto open = service.open.find(connection_id);
  if (open == service.open.end()) return;
  const Number number = open->second;
  service.open.erase(open);
  connections_.erase(number);
  events_.finish(number);
}

void Tunnel::close_stream(uint16_t index) {
  Service& service = state_[index];
  for (const auto& [id, number] : std::exchange(service.open, {})) {
    connections_.erase(number);
    events_.finish(number);
  }
  service.stream_id = 0;
}

void Tunnel::close_all() {
  for (size_t i = 0; i < state_.size(); ++i)
    close_stream(static_cast<uint16_t>(i));
}

void Tunnel::reset_peer(Format format, std::string_view service_id, int32_t stream_id,
                        uint32_t connection_id) {
  Message reset;
  // A peer without connection ids knows only whole streams.
  reset.type = format.connection_id ? MessageType::kConnectionReset : MessageType::kStreamReset;
  reset.stream_id = stream_id;
  if (format.service_id) reset.service_id = service_id;
  if (format.connection_id) reset.connection_id = connection_id;
  events_.send(reset);
}

// ---- the peer's version ----

void Tunnel::recognise(Service& service, const wire::DataView& first) {
  service.answered = true;
  if (!format_.connection_id) return;  // we speak an older version, and so does what answers
  if (first.connection_id != 0) {
    peer_ = Peer::kCurrent;
    return;
  }
  if (std::exchange(peer_, Peer::kOlder) == Peer::kOlder) return;
  const std::string version = first.service_id.empty() ? "1" : "2";
  events_.note("the destination speaks version " + version +
               " of the protocol, which has one connection to a service at a time: from now on, a new local "
               "connection ends the one before it. Start with -y V" +
               version + " to have it so from the first one on");
  keep_first_connections();
}

// The others were never understood.
void Tunnel::keep_first_connections() {
  for (size_t i = 0; i < state_.size(); ++i) {
    Service& service = state_[i];
    while (!service.open.empty() && service.open.rbegin()->first > 1) {
      close_connection(static_cast<uint16_t>(i), service.open.rbegin()->first);
    }
    if (service.open.empty()) service.stream_id = 0;
  }
}

void Tunnel::note_nameless(const std::string& what) {
  std::string all;
  for (const std::string& id : services_)
    all += (all.empty() ? "" : ", ") + id;
  events_.note("ignored " + what + " without a service id: this tunnel has " + all + ". A " +
               (source_ ? "destination" : "source") +
               " of version 1 works only with a tunnel of one service; it needs version 2 here" +
               (source_ ? "" : " (not -y V1)"));
}

std::optional<uint16_t> Tunnel::find_service(std::string_view id) const {
  if (id.empty() && services_.size() == 1) return uint16_t{0};
  for (size_t i = 0; i < services_.size(); ++i) {
    if (services_[i] == id) return static_cast<uint16_t>(i);
  }
  return std::nullopt;
}

}  // namespace localproxy::net
