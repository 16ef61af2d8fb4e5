#include "commands.h"
#include "rules.h"

namespace localproxy::service {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr uint64_t kAny = UINT64_MAX;

// Makes JSON text, which must be UTF-8, from a peer's bytes, which may be anything.
std::string to_hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text += kDigits[static_cast<uint8_t>(c) >> 4];
    text += kDigits[static_cast<uint8_t>(c) & 0xf];
  }
  return text;
}

json connection_view(Proxy& proxy) {
  const Proxy::Facts& facts = proxy.facts();
  json headers = json::object();
  for (const auto& [name, value] : facts.headers)
    headers[name] = value;
  return {{"address", facts.address},
          {"channel_id", facts.channel_id},
          {"subprotocol", facts.subprotocol},
          {"version", proxy.version()},
          {"headers", headers},
          {"request_bytes", facts.request_bytes},
          {"server_name", proxy.tls().server_name()},
          {"tls_version", proxy.tls().version()},
          {"cipher", proxy.tls().cipher()},
          {"pings", facts.pings},
          {"pongs", facts.pongs},
          {"last_pong", to_hex(facts.last_pong)},
          {"queued", proxy.queued()},
          {"paused", proxy.paused()}};
}

json seat_view(Tunnel& tunnel, Side side) {
  const Seat& seat = tunnel.seat(side);
  Proxy* const proxy = Server::proxy(tunnel, side);
  return {{"connected", proxy != nullptr},
          {"connection", proxy == nullptr ? json() : connection_view(*proxy)},
          {"token_used", seat.credential.used},
          {"client_token_bound", !seat.credential.client_token.empty()},
          {"upgrades", seat.upgrades},
          {"messages", seat.traffic.messages},
          {"bytes", seat.traffic.bytes},
          {"data_messages", seat.traffic.data_messages},
          {"data_bytes", seat.traffic.data_bytes},
          {"dropped", seat.traffic.dropped}};
}

json streams_view(const Tunnel& tunnel) {
  json streams = json::array();
  for (size_t i = 0; i < tunnel.streams().size(); ++i) {
    const Stream& stream = tunnel.streams()[i];
    if (!stream.active) continue;
    streams.push_back({{"service", tunnel.services().empty() ? "" : tunnel.services()[i]},
                       {"stream_id", stream.id},
                       {"with_service_id", stream.source.service},
                       {"with_connection_id", stream.source.connection},
                       {"connections", stream.connections}});
  }
  return streams;
}

uint64_t stream_count(const Tunnel& tunnel) {
  uint64_t count = 0;
  for (const Stream& stream : tunnel.streams())
    count += stream.active ? 1 : 0;
  return count;
}

}  // namespace

Outcome status(Server& server, Arguments& args) {
  if (const std::string wrong = args.finish(); !wrong.empty()) return failure(wrong);
  Journal& journal = server.journal();
  json tunnels = json::object();
  for (const auto& [name, tunnel] : server.registry().tunnels()) {
    tunnels[name] = {{"open", !tunnel->closed()},
                     {"services", tunnel->services()},
                     {"streams", streams_view(*tunnel)},
                     {"source", seat_view(*tunnel, Side::kSource)},
                     {"destination", seat_view(*tunnel, Side::kDestination)}};
  }
  return {{{"tunnels", tunnels},
           {"connections", server.connections()},
           {"handshakes", {{"accepted", journal.accepted_count()}, {"refused", journal.refused_count()}}},
           {"refusals", journal.refusals()},
           {"breaches", journal.breaches()},
           {"faults_left", server.faults().left()}}};
}

Outcome record(Server& server, Arguments& args) {
  Tunnel* const tunnel = tunnel_argument(server, args);
  const Side side = args.side();
  const bool on = args.truth("on", true);
  if (const std::string wrong = args.finish(); !wrong.empty()) return failure(wrong);
  Record& record = tunnel->seat(side).record;
  if (on) {
    record.restart(true);
  } else {
    record.on = false;
  }
  return {};
}

Outcome recorded(Server& server, Arguments& args) {
  Tunnel* const tunnel = tunnel_argument(server, args);
  const Side side = args.side();
  if (const std::string wrong = args.finish(); !wrong.empty()) return failure(wrong);
  const Record& record = tunnel->seat(side).record;
  json messages = json::array();
  for (const RecordedMessage& message : record.messages) {
    messages.push_back({{"type", type_name(message.type)},
                        {"streamId", message.stream_id},
                        {"serviceId", message.service_id},
                        {"connectionId", message.connection_id}});
  }
  return {
      {{"messages", messages}, {"data", {{"messages", record.data_messages}, {"bytes", record.data_bytes}}}}};
}

Outcome wait(Server& server, Arguments& args) {
  Outcome outcome;
  outcome.timeout =
      milliseconds(args.number("timeout_ms", static_cast<uint64_t>(bounds::kWaitMost.count()), 20'000));
  Journal& journal = server.journal();
  if (args.has("breaches")) {
    outcome.until = [&journal, least = args.number("breaches", kAny)] {
      return journal.breach_count() >= least;
    };
  } else if (args.has("accepted")) {
    outcome.until = [&journal, least = args.number("accepted", kAny)] {
      return journal.accepted_count() >= least;
    };
  } else if (args.has("refused")) {
    outcome.until = [&journal, least = args.number("refused", kAny)] {
      return journal.refused_count() >= least;
    };
  } else if (Tunnel* const tunnel = tunnel_argument(server, args); args.has("streams")) {
    outcome.until = [tunnel, count = args.number("streams", kAny)] { return stream_count(*tunnel) == count; };
  } else {
    const Side side = args.side();
    if (args.has("messages")) {
      outcome.until = [tunnel, side, least = args.number("messages", kAny)] {
        const Traffic& traffic = tunnel->seat(side).traffic;
        return traffic.messages - traffic.data_messages >= least;
      };
    } else if (args.has("bytes")) {
      outcome.until = [tunnel, side, least = args.number("bytes", kAny)] {
        return tunnel->seat(side).traffic.data_bytes >= least;
      };
    } else {
      const std::string state = args.text("state");
      if (state != "connected" && state != "gone") args.fail("'state' must be connected or gone");
      outcome.until = [tunnel, side, wanted = state == "connected"] {
        return (tunnel->seat(side).endpoint != nullptr) == wanted;
      };
    }
  }
  if (const std::string wrong = args.finish(); !wrong.empty()) return failure(wrong);
  return outcome;
}

}  // namespace localproxy::service
