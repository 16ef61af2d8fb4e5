#include "tunnel.h"

#include <algorithm>

#include "bounds.h"
#include "rules.h"

namespace localproxy::service {
namespace {

// The format that a receiver of that version sees.
Format bridged(Format format, int version) {
  return {format.service && version >= 2, format.connection && version >= 3};
}

}  // namespace

Tunnel::Tunnel(std::string name, std::vector<std::string> services, Journal& journal)
    : name_(std::move(name)),
      services_(std::move(services)),
      journal_(journal),
      streams_(std::max<size_t>(services_.size(), 1)) {}

void Tunnel::attach(Side side, Endpoint& endpoint, bool say_service_ids) {
  Seat& seat = this->seat(side);
  if (seat.endpoint != nullptr) {
    journal_.log().info(who(side) + ": replaced by a new connection");
    seat.endpoint->close(static_cast<uint16_t>(CloseCode::kGoingAway),
                         "Replaced by a new connection with the same access token");
  }
  seat.endpoint = &endpoint;
  seat.format.reset();
  seat.drop_said = false;
  ++seat.upgrades;
  if (endpoint.version() >= 2 && say_service_ids) send(seat, make_service_ids(services_));
}

void Tunnel::detach(Side side, Endpoint& endpoint) {
  Seat& seat = this->seat(side);
  if (seat.endpoint != &endpoint) return;
  seat.endpoint = nullptr;
  reset_streams(other(side));
  if (Endpoint* peer = this->seat(other(side)).endpoint; peer != nullptr) peer->resume();
}

bool Tunnel::is_full(Side from) {
  const Endpoint* to = seat(other(from)).endpoint;
  return to != nullptr && to->queued() > bounds::kOutputStop;
}

void Tunnel::drained(Side side) {
  if (Endpoint* peer = seat(other(side)).endpoint; peer != nullptr) peer->resume();
}

void Tunnel::close() {
  closed_ = true;
  for (Stream& stream : streams_)
    stream = {};
  for (Seat& seat : seats_) {
    if (seat.endpoint != nullptr) {
      seat.endpoint->close(static_cast<uint16_t>(CloseCode::kNormal), "The tunnel was closed");
    }
  }
}

std::optional<Breach> Tunnel::receive(Side from, MutableBytes frame) {
  Seat& seat = this->seat(from);
  const Bytes body = Bytes(frame).subspan(2);
  const auto scanned = scan(body);
  if (!scanned) return Breach{CloseCode::kPolicy, scanned.error().text()};
  const Message& message = *scanned;
  seat.traffic.messages += 1;
  seat.traffic.bytes += frame.size();
  if (seat.record.on) seat.record.note(message);

  const int version = seat.endpoint == nullptr ? 3 : seat.endpoint->version();
  if (auto wrong = check_message(message, from, version)) return wrong;
  if (!type_of(message)) return std::nullopt;  // unknown and ignorable
  size_t stream = 0;
  if (auto wrong = find_stream(message, stream)) return wrong;
  if (auto wrong = check_format(from, message, streams_[stream])) return wrong;

  if (message.is(Type::kData)) {
    seat.traffic.data_messages += 1;
    seat.traffic.data_bytes += message.payload.size();
    pass(from, message, frame);
    return std::nullopt;
  }
  if (const auto same = compare_with_generated(body, message); !same) {
    return Breach{CloseCode::kPolicy, same.error().text()};
  }
  if (message.is(Type::kConnectionStart) && streams_[stream].connections.size() >= bounds::kConnections) {
    return breach(message, "too many open connections");
  }
  control(from, message, streams_[stream], frame);
  return std::nullopt;
}

std::optional<Breach> Tunnel::find_stream(const Message& message, size_t& stream) const {
  if (message.service_id.empty()) {
    if (services_.size() > 1) return breach(message, "no serviceId, but the tunnel has several services");
    if (message.connection_id != 0 && !services_.empty()) {
      return breach(message, "connectionId without serviceId");
    }
    stream = 0;
    return std::nullopt;
  }
  const auto found = std::find(services_.begin(), services_.end(), message.service_id);
  if (found == services_.end()) {
    return breach(message, "unknown serviceId '" + std::string(message.service_id) + "'");
  }
  stream = static_cast<size_t>(found - services_.begin());
  return std::nullopt;
}

// A peer's first stream start settles its format: a source's is the first that it sends on its connection,
// and a destination answers each stream as it was started. A message of no active stream is stale, and its
// format proves nothing.
std::optional<Breach> Tunnel::check_format(Side from, const Message& message, const Stream& stream) {
  const Format seen{!message.service_id.empty(), message.connection_id != 0};
  std::optional<Format>& settled = seat(Side::kSource).format;
  if (from == Side::kSource && !settled) {
    if (message.is(Type::kStreamStart) || message.is(Type::kConnectionStart)) settled = seen;
    return std::nullopt;
  }
  if (from == Side::kDestination && (!stream.active || stream.id != message.stream_id)) return std::nullopt;
  const Format wanted = from == Side::kSource ? *settled : stream.destination;
  if (seen.service != wanted.service) {
    return breach(message, seen.service ? "serviceId after a stream that was started without one"
                                        : "no serviceId after a stream that was started with one");
  }
  // A stream's end may omit it.
  if (seen.connection != wanted.connection && (seen.connection || !message.is(Type::kStreamReset))) {
    return breach(message, seen.connection ? "connectionId after a stream that was started without one"
                                           : "no connectionId after a stream that was started with one");
  }
  return std::nullopt;
}

void Tunnel::stream_start(const Message& message, Stream& stream) {
  const Format format{!message.service_id.empty(), message.connection_id != 0};
  stream = {.active = true,
            .id = message.stream_id,
            .source = format,
            .destination = bridged(format, seat(Side::kDestination).endpoint->version()),
            .connections = {std::max<uint32_t>(message.connection_id, 1)}};
}

void Tunnel::control(Side from, const Message& message, Stream& stream, MutableBytes frame) {
  const bool there = seat(other(from)).endpoint != nullptr;
  const bool current = stream.active && stream.id == message.stream_id;
  if (message.is(Type::kStreamStart)) {
    if (!there) {
      if (tells_) answer(from, Type::kStreamReset, message);
      return drop(from, "no destination is connected");
    }
    stream_start(message, stream);
  } else if (message.is(Type::kConnectionStart)) {
    if (!there || seat(other(from)).endpoint->version() < 3) {
      if (there || tells_) answer(from, Type::kConnectionReset, message);
      return drop(from, there ? "the destination knows no connections" : "no destination is connected");
    }
    // Without an active stream it is an implicit stream start.
    if (!current) stream_start(message, stream);
    stream.connections.insert(message.connection_id);
  } else if (message.is(Type::kStreamReset)) {
    if (current) stream = {};
  } else if (current) {
    stream.connections.erase(message.connection_id);
    // An older side has only one connection, and will be told that the stream has ended.
    if (there && seat(other(from)).endpoint->version() < 3 && message.connection_id == 1) stream = {};
  }
  pass(from, message, frame);
}

void Tunnel::pass(Side from, const Message& message, MutableBytes frame) {
  Seat& to = seat(other(from));
  if (to.endpoint == nullptr) return drop(from, "the other side is not connected");
  const int version = to.endpoint->version();
  if ((version < 3 && message.connection_id != 0) || (version < 2 && !message.service_id.empty())) {
    return pass_down(from, message, to, version);
  }
  to.endpoint->send_frame(frame);
}

// Bridges to a side whose subprotocol is too old for the message's fields.
void Tunnel::pass_down(Side from, const Message& message, Seat& to, int version) {
  const std::string_view service_id = version >= 2 ? message.service_id : std::string_view();
  if (message.connection_id > 1 && version < 3) return drop(from, "the other side knows one connection only");
  if (message.is(Type::kData)) {
    return to.endpoint->send_frame(rebuild_data(message, version >= 2, scratch_));
  }
  // Its only connection is the whole stream.
  const bool ends = message.is(Type::kConnectionReset);
  const auto type = ends ? Type::kStreamReset : static_cast<Type>(message.type);
  send(to, make_message(type, message.stream_id, service_id, 0));
}

void Tunnel::answer(Side to, Type type, const Message& message) {
  const uint32_t connection = type == Type::kConnectionReset ? message.connection_id : 0;
  send(seat(to), make_message(type, message.stream_id, message.service_id, connection));
}

void Tunnel::send(Seat& to, OwnFrame frame) {
  if (to.endpoint != nullptr) to.endpoint->send_frame(frame.bytes());
}

void Tunnel::drop(Side from, std::string_view why) {
  Seat& seat = this->seat(from);
  ++seat.traffic.dropped;
  if (!std::exchange(seat.drop_said, true)) {
    journal_.log().info(who(from) + ": messages are dropped: " + std::string(why));
  }
}

void Tunnel::reset_streams(Side tell) {
  for (size_t i = 0; i < streams_.size(); ++i) {
    const Stream stream = std::exchange(streams_[i], {});
    if (!stream.active || !tells_) continue;
    const Format format = tell == Side::kSource ? stream.source : stream.destination;
    const std::string_view service = format.service ? std::string_view(services_[i]) : std::string_view();
    send(seat(tell), make_message(Type::kStreamReset, stream.id, service, 0));
  }
}

}  // namespace localproxy::service
