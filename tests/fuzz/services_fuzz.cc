// SERVICE_IDS of the service, on its whole way: read by net, sent to the monitor, matched with -s or -d, sent
// back to net, and used by the tunnel. Every service of the tunnel gets an entry of its own, or there is an
// error.
//
// Input: the mode and the subprotocol, the length of the message, the message, then the text of -s or -d.
#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/endpoint.h"
#include "ipc/messages.h"
#include "monitor/services.h"
#include "net/tunnel.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/quiet_protobuf.h"

using namespace localproxy;
using fuzz::require;

namespace {

using Ids = std::vector<std::string>;

class Owner : public net::TunnelEvents {
 public:
  net::Connection* open(uint16_t) override { return nullptr; }
  void send(const wire::Message&) override {}
  void note(std::string) override {}
};

// What the other process gets.
template <typename M>
Ids passed_on(const Ids& ids) {
  std::string fields;
  ipc::encode_fields(M{{ids}}, fields);
  M message;
  require(ipc::decode_fields(as_bytes(fields), message), "what net takes, an internal message can carry");
  require(message.services.value == ids, "an internal message carries what it is given");
  return message.services.value;
}

void check_assignment(const monitor::Assignment& assignment, const config::Config& config,
                      const Ids& tunnel) {
  require(assignment.size() == tunnel.size(), "every service is in the assignment");
  std::set<size_t> used;
  for (size_t i = 0; i < tunnel.size(); ++i) {
    if (!assignment[i]) {
      require(config.mode == config::Mode::kSource && config.services.empty(), "only a source picks ports");
      continue;
    }
    require(*assignment[i] < config.services.size(), "an assignment is to an entry that there is");
    require(used.insert(*assignment[i]).second, "no entry is for two services");
    const std::string& given = config.services[*assignment[i]].service;
    require(given == tunnel[i] || (given.empty() && tunnel.size() == 1), "an entry is for its service");
  }
}

// Whether the tunnel takes the message of the service once more, and no shorter list of services.
void check_tunnel(bool source, const Ids& ids, const wire::Message& announced) {
  Owner owner;
  net::Tunnel tunnel(source, ids, net::format_of_version(3), 1, 8, owner);
  require(tunnel.services() == ids, "a tunnel has the services that it is given");
  const auto takes = [&tunnel](const wire::Message& message) {
    std::string frame;
    wire::append_frame(message, frame);
    return tunnel.receive(as_bytes(frame).subspan(2)).ok();
  };
  require(takes(announced), "the same services again are no error");
  if (announced.service_ids.empty()) return;
  wire::Message fewer = announced;
  fewer.service_ids.pop_back();
  if (fewer.service_ids.empty()) fewer.service_ids.emplace_back("another");
  require(!takes(fewer), "other services are an error");
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Script script({data, size});
  const uint8_t choices = script.byte();
  config::Config config;
  config.mode = (choices & 1) != 0 ? config::Mode::kSource : config::Mode::kDestination;
  if ((choices & 2) != 0) config.settings.subprotocol = "aws.iot.securetunneling-1.0";
  const size_t high = script.byte();
  auto message = wire::decode_message(script.take(high << 8 | script.byte()));
  if (!message || message->type != wire::MessageType::kServiceIds) return 0;
  if (const Bytes rest = script.rest(); !rest.empty()) {
    auto map = config::parse_map(as_text(rest), config.mode);
    if (!map) return 0;
    config.services = std::move(*map);
  } else if (config.mode == config::Mode::kDestination) {
    return 0;  // it always has a map, or services that it knows
  }
  const Ids tunnel = monitor::services_of_tunnel(config, passed_on<ipc::Up>(message->service_ids));
  require(!tunnel.empty(), "a tunnel has a service");
  if (!monitor::check_distinct(tunnel)) return 0;
  const auto assignment = monitor::match_services(config.mode, config.services, tunnel);
  if (!assignment) {
    require(!assignment.error().text().empty(), "an error says something");
    return 0;
  }
  check_assignment(*assignment, config, tunnel);
  // Version 1 of the protocol has no such message.
  if ((choices & 2) != 0 && message->service_ids.empty()) return 0;
  check_tunnel(config.mode == config::Mode::kSource, passed_on<ipc::Services>(tunnel), *message);
  return 0;
}
