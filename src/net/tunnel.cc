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

Tunnel::Tunnel(bool source, std::vector<std::string> services, int32_t first_stream_id,
               uint32_t max_connections, TunnelEvents& events)
    : source_(source),
      services_(std::move(services)),
      state_(services_.size()),
      next_stream_id_(first_stream_id),
      max_connections_(max_connections),
      events_(events) {
  check(first_stream_id > 0, "a stream id is positive");
}

// ---- the local side ----

bool Tunnel::local_opened(Number number, uint16_t index) {
  check(source_, "a destination accepts no local connections");
  Service& service = state_.at(index);
  if (service.last_connection_id == std::numeric_limits<uint32_t>::max()) return false;
  Message start;
  start.type = service.stream_id == 0 ? MessageType::kStreamStart : MessageType::kConnectionStart;
  if (service.stream_id == 0) {
    service.stream_id = next_stream_id_;
    next_stream_id_ = next_stream_id_ == std::numeric_limits<int32_t>::max() ? 1 : next_stream_id_ + 1;
    service.last_connection_id = 0;
  }
  add(number, index, ++service.last_connection_id);
  start.stream_id = service.stream_id;
  start.service_id = services_[index];
  start.connection_id = service.last_connection_id;
  events_.send(start);
  return true;
}

void Tunnel::local_closed(Number number) {
  const auto found = connections_.find(number);
  if (found == connections_.end()) return;
  const Connection connection = found->second;
  Service& service = state_[connection.service];
  service.open.erase(connection.connection_id);
  connections_.erase(found);
  reset_peer(service, std::string(connection.route.service_id), service.stream_id, connection.connection_id);
  // Without connection ids the connection was the stream.
  if (!service.peer_sends_connection_id) service.stream_id = 0;
}

const Route* Tunnel::route(Number number) const {
  const auto found = connections_.find(number);
  return found == connections_.end() ? nullptr : &found->second.route;
}

// ---- the service's side ----

Result<> Tunnel::receive(Bytes bytes) {
  wire::DataView data;
  if (wire::decode_data(bytes, data)) {
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
    events_.note("ignored " + describe(message) + ": this tunnel has no such service");
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
      if (message.stream_id == state_[*service].stream_id) {
        close_connection(*service, connection_or_first(message.connection_id));
      }
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
  if (!index) return;
  const Service& service = state_[*index];
  // What belongs to a stream or a connection that has ended was on its way when it did.
  if (data.stream_id != service.stream_id) return;
  const auto open = service.open.find(connection_or_first(data.connection_id));
  if (open != service.open.end() && !data.payload.empty()) events_.deliver(open->second, data.payload);
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
  if (message.stream_id != service.stream_id || service.open.contains(id)) {
    events_.note("refused " + describe(message) +
                 ": the stream is another, or the connection is open already");
    reset_peer(service, message.service_id, message.stream_id, id);
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
  service.peer_sends_service_id = !message.service_id.empty();
  service.peer_sends_connection_id = message.connection_id != 0;
}

void Tunnel::accept(const Message& message, uint16_t index) {
  Service& service = state_[index];
  const uint32_t id = connection_or_first(message.connection_id);
  if (service.open.size() >= max_connections_) {
    events_.note("refused " + describe(message) + ": the service has " + std::to_string(max_connections_) +
                 " connections already");
    reset_peer(service, message.service_id, message.stream_id, id);
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
  if (service.peer_sends_service_id) route.service_id = services_[index];
  if (service.peer_sends_connection_id) route.connection_id = connection_id;
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

void Tunnel::reset_peer(const Service& of, const std::string& service_id, int32_t stream_id,
                        uint32_t connection_id) {
  Message reset;
  // A peer without connection ids knows only whole streams.
  reset.type = of.peer_sends_connection_id ? MessageType::kConnectionReset : MessageType::kStreamReset;
  reset.stream_id = stream_id;
  reset.service_id = service_id;
  if (of.peer_sends_connection_id) reset.connection_id = connection_id;
  events_.send(reset);
}

std::optional<uint16_t> Tunnel::find_service(std::string_view id) const {
  if (id.empty() && services_.size() == 1) return uint16_t{0};
  for (size_t i = 0; i < services_.size(); ++i) {
    if (services_[i] == id) return static_cast<uint16_t>(i);
  }
  return std::nullopt;
}

}  // namespace localproxy::net
