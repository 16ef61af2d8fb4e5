#include "commands.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <array>

namespace localproxy::service {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

json tokens_of(Tunnel& tunnel) {
  return {{"source", tunnel.seat(Side::kSource).credential.token},
          {"destination", tunnel.seat(Side::kDestination).credential.token}};
}

Outcome open(Server& server, Arguments& args) {
  const std::string name = args.text("tunnel");
  const std::vector<std::string> services = args.texts("services");
  if (const std::string wrong = args.finish(); !wrong.empty()) return failure(wrong);
  const auto opened = server.registry().open(name, services);
  if (!opened) return failure(opened.error().text());
  return {tokens_of(**opened)};
}

Outcome close(Server& server, Arguments& args) {
  Tunnel* const tunnel = tunnel_argument(server, args);
  if (const std::string wrong = args.finish(); !wrong.empty()) return failure(wrong);
  tunnel->close();
  return {};
}

std::optional<Proxy::End> end_of(std::string_view name) {
  if (name == "rst") return Proxy::End::kReset;
  if (name == "fin") return Proxy::End::kFin;
  if (name == "tls") return Proxy::End::kTls;
  return std::nullopt;
}

void end(Proxy& proxy, const std::string& how, uint16_t code, const std::string& reason) {
  if (const auto end = end_of(how)) {
    proxy.hang_up(*end);
  } else {
    proxy.close(code, reason);
  }
}

std::string how_argument(Arguments& args) {
  std::string how = args.text("how", "close");
  if (how != "close" && !end_of(how)) args.fail("'how' must be close, tls, fin or rst");
  return how;
}

Outcome rotate(Server& server, Arguments& args) {
  Tunnel* const tunnel = tunnel_argument(server, args);
  const std::string sides = args.text("side", "both");
  const std::string how = how_argument(args);
  if (sides != "both" && sides != "source" && sides != "destination") {
    args.fail("'side' must be source, destination or both");
  }
  if (const std::string wrong = args.finish(); !wrong.empty()) return failure(wrong);
  json tokens = json::object();
  for (const Side side : {Side::kSource, Side::kDestination}) {
    if (sides != "both" && sides != to_string(side)) continue;
    if (const auto issued = server.registry().issue(*tunnel, side); !issued) {
      return failure(issued.error().text());
    }
    tokens[std::string(to_string(side))] = tunnel->seat(side).credential.token;
    if (Proxy* const proxy = Server::proxy(*tunnel, side); proxy != nullptr) {
      end(*proxy, how, static_cast<uint16_t>(CloseCode::kGoingAway), "The access token was rotated");
    }
  }
  return {tokens};
}

Outcome kick(Server& server, Arguments& args) {
  Proxy* const proxy = proxy_argument(server, args);
  const std::string how = how_argument(args);
  const auto code = static_cast<uint16_t>(args.number("code", 0xffff, 1001));
  const std::string reason = args.text("reason", "");
  if (const std::string wrong = args.finish(); !wrong.empty()) return failure(wrong);
  end(*proxy, how, code, reason);
  return {};
}

Outcome blackhole(Server& server, Arguments& args) {
  Proxy* const proxy = proxy_argument(server, args);
  const bool on = args.truth("on", true);
  if (const std::string wrong = args.finish(); !wrong.empty()) return failure(wrong);
  proxy->set_blackhole(on);
  return {};
}

Outcome pause(Server& server, Arguments& args) {
  Proxy* const proxy = proxy_argument(server, args);
  if (const std::string wrong = args.finish(); !wrong.empty()) return failure(wrong);
  proxy->set_paused(true);
  return {};
}

Outcome resume(Server& server, Arguments& args) {
  Proxy* const proxy = proxy_argument(server, args);
  if (const std::string wrong = args.finish(); !wrong.empty()) return failure(wrong);
  proxy->set_paused(false);
  proxy->set_blackhole(false);
  return {};
}

Outcome resets(Server& server, Arguments& args) {
  Tunnel* const tunnel = tunnel_argument(server, args);
  const bool on = args.truth("on", true);
  if (const std::string wrong = args.finish(); !wrong.empty()) return failure(wrong);
  tunnel->set_tells(on);
  return {};
}

Outcome inject(Server& server, Arguments& args) {
  Proxy* const proxy = proxy_argument(server, args);
  const std::vector<uint8_t> bytes = args.hex("hex");
  if (const std::string wrong = args.finish(); !wrong.empty()) return failure(wrong);
  std::vector<uint8_t> frame(bounds::kHeadRoom + bytes.size());
  uint8_t* const payload = frame.data() + bounds::kHeadRoom;
  std::ranges::copy(bytes, payload);
  proxy->send_raw({put_header_before(payload, bytes.size(), Opcode::kBinary), payload + bytes.size()});
  return {};
}

Outcome inject_raw(Server& server, Arguments& args) {
  Proxy* const proxy = proxy_argument(server, args);
  const std::vector<uint8_t> bytes = args.hex("hex");
  if (const std::string wrong = args.finish(); !wrong.empty()) return failure(wrong);
  proxy->send_raw(bytes);
  return {};
}

Outcome split(Server& server, Arguments& args) {
  const bool named = args.has("tunnel");
  const std::string name = named ? args.text("tunnel") : "";
  const std::optional<Side> side = args.side_if_given();
  const std::string mode = args.text("mode", "bytes");
  Shape shape{.size = static_cast<size_t>(args.number("size", bounds::kWebSocketPayload, 0)),
              .hold = milliseconds(args.number("hold_ms", bounds::kHoldMost.count(), 0)),
              .offset = static_cast<size_t>(args.number("offset", bounds::kWebSocketPayload, 0)),
              .fragment = static_cast<size_t>(args.number("fragment", bounds::kWebSocketPayload, 0)),
              .tls = static_cast<size_t>(args.number("tls", bounds::kTlsRecord, 0))};
  if (mode != "bytes" && mode != "none") args.fail("'mode' must be none or bytes");
  if (mode == "bytes" && shape.plain()) args.fail("'size', 'offset', 'fragment' or 'tls' is needed");
  if (shape.hold.count() != 0 && shape.size == 0) args.fail("'hold_ms' needs 'size'");
  if (mode == "none") shape = {};
  if (named && server.registry().find(name) == nullptr) args.fail("no tunnel '" + name + "'");
  if (const std::string wrong = args.finish(); !wrong.empty()) return failure(wrong);
  server.set_shape(named ? &name : nullptr, side, shape);
  return {};
}

Outcome fault(Server& server, Arguments& args) {
  Fault fault;
  fault.left = static_cast<unsigned>(args.number("next", 1'000'000, 1));
  const std::string kind = args.text("kind", "status");
  fault.side = args.side_if_given();
  fault.status = static_cast<int>(args.number("status", 999, 503));
  fault.body = args.text("body", "");
  fault.retry_after = args.text("retry_after", "");
  const auto framing = fault_framing(args.text("framing", "length"));
  if (!framing) args.fail("'framing' must be length, chunked or close");
  const auto known = fault_kind(kind);
  if (!known) args.fail("no fault '" + kind + "'");
  if (fault.status < 100) args.fail("'status' must have three digits");
  if (const std::string wrong = args.finish(); !wrong.empty()) return failure(wrong);
  if (fault.left == 0) {
    server.faults().clear();
    return {};
  }
  fault.kind = *known;
  fault.framing = *framing;
  server.faults().add(std::move(fault));
  return {};
}

Outcome pongs(Server& server, Arguments& args) {
  const std::string mode = args.text("mode");
  if (mode != "answer" && mode != "withhold" && mode != "until-source") {
    args.fail("'mode' must be answer, withhold or until-source");
  }
  if (const std::string wrong = args.finish(); !wrong.empty()) return failure(wrong);
  server.set_pongs(mode == "answer"     ? PongMode::kAnswer
                   : mode == "withhold" ? PongMode::kWithhold
                                        : PongMode::kUntilSource);
  return {};
}

Outcome ping(Server& server, Arguments& args) {
  Proxy* const proxy = proxy_argument(server, args);
  const std::vector<uint8_t> payload = args.has("hex") ? args.hex("hex") : std::vector<uint8_t>{};
  if (payload.size() > bounds::kControlPayload) args.fail("'hex' is too long for a ping");
  if (const std::string wrong = args.finish(); !wrong.empty()) return failure(wrong);
  proxy->ping(as_text(payload));
  return {};
}

Outcome rekey(Server& server, Arguments& args) {
  Proxy* const proxy = proxy_argument(server, args);
  if (const std::string wrong = args.finish(); !wrong.empty()) return failure(wrong);
  if (!proxy->update_keys()) return failure("not possible on this connection");
  return {};
}

Outcome idle(Server& server, Arguments& args) {
  const uint64_t ms = args.number("ms", 86'400'000);
  if (const std::string wrong = args.finish(); !wrong.empty()) return failure(wrong);
  server.set_idle(milliseconds(ms));
  return {};
}

Outcome certificate(Server& server, Arguments& args) {
  const std::string kind = args.text("kind");
  if (server.certificates().context(kind) == nullptr) args.fail("no certificate '" + kind + "'");
  if (const std::string wrong = args.finish(); !wrong.empty()) return failure(wrong);
  server.set_certificate(kind);
  return {};
}

Outcome tls(Server& server, Arguments& args) {
  const std::string most = args.text("max");
  if (most != "1.2" && most != "1.3") args.fail("'max' must be 1.2 or 1.3");
  if (const std::string wrong = args.finish(); !wrong.empty()) return failure(wrong);
  server.certificates().set_max_version(most == "1.2" ? TLS1_2_VERSION : TLS1_3_VERSION);
  return {};
}

Outcome note(Server& server, Arguments& args) {
  const std::string text = args.text("text");
  if (const std::string wrong = args.finish(); !wrong.empty()) return failure(wrong);
  server.journal().log().info("note: " + text);
  return {};
}

Outcome help(Server& server, Arguments& args);

struct Entry {
  std::string_view name;
  Command run;
  std::string_view arguments;  // for help; optional ones are in brackets
};

constexpr Entry kCommands[] = {
    {"help", help, ""},
    {"status", status, ""},
    {"open", open, "tunnel [services]"},
    {"close", close, "tunnel"},
    {"rotate", rotate, "tunnel [side=both] [how=close]"},
    {"kick", kick, "tunnel side [how=close|tls|fin|rst] [code] [reason]"},
    {"blackhole", blackhole, "tunnel side [on=true]"},
    {"pause", pause, "tunnel side"},
    {"resume", resume, "tunnel side"},
    {"resets", resets, "tunnel [on=true]"},
    {"inject", inject, "tunnel side hex"},
    {"inject_raw", inject_raw, "tunnel side hex"},
    {"split", split, "[tunnel] [side] [mode=none|bytes] [size] [offset] [fragment] [tls]"},
    {"fault", fault,
     "[next=1] [kind=status] [side] [status] [body] [retry_after] [framing=length|chunked|close]"},
    {"pongs", pongs, "mode=answer|withhold|until-source"},
    {"ping", ping, "tunnel side [hex]"},
    {"rekey", rekey, "tunnel side"},
    {"idle", idle, "ms"},
    {"certificate", certificate, "kind"},
    {"tls", tls, "max=1.2|1.3"},
    {"record", record, "tunnel side [on=true]"},
    {"recorded", recorded, "tunnel side"},
    {"wait", wait,
     "[tunnel] [side] state=connected|gone or one of breaches accepted refused streams messages"
     " bytes [timeout_ms]"},
    {"note", note, "text"},
};

Outcome help(Server& server, Arguments& args) {
  if (const std::string wrong = args.finish(); !wrong.empty()) return failure(wrong);
  json commands = json::object();
  for (const Entry& entry : kCommands)
    commands[std::string(entry.name)] = entry.arguments;
  return {
      {{"commands", commands}, {"faults", fault_names()}, {"certificates", server.certificates().kinds()}}};
}

}  // namespace

json error_answer(std::string_view why) {
  return {{"error", why}};
}

Tunnel* tunnel_argument(Server& server, Arguments& args) {
  const std::string name = args.text("tunnel");
  Tunnel* const tunnel = server.registry().find(name);
  if (tunnel == nullptr) args.fail("no tunnel '" + name + "'");
  return tunnel;
}

Proxy* proxy_argument(Server& server, Arguments& args) {
  Tunnel* const tunnel = tunnel_argument(server, args);
  const Side side = args.side();
  if (tunnel == nullptr) return nullptr;
  Proxy* const proxy = Server::proxy(*tunnel, side);
  if (proxy == nullptr) args.fail("no " + tunnel->who(side) + " is connected");
  return proxy;
}

Outcome run_command(Server& server, std::string_view line) {
  const json request = json::parse(line, nullptr, false);
  if (!request.is_object()) return failure("not a JSON object");
  Arguments args(request);
  const std::string name = args.text("command");
  for (const Entry& entry : kCommands)
    if (entry.name == name) return entry.run(server, args);
  return failure("unknown command '" + name + "', see help");
}

}  // namespace localproxy::service
