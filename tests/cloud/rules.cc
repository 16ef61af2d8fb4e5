#include "rules.h"

#include <array>

#include "bounds.h"

namespace localproxy::service {
namespace {

enum class Connection : uint8_t { kMay, kMust };

struct TypeRule {
  std::string_view name;
  bool source;            // may send it
  bool destination;       // may send it
  int since;              // protocol version
  bool payload;           // may carry one
  Connection connection;  // its id
};

// By number.
constexpr std::array<TypeRule, 8> kTypes{{
    {"UNKNOWN", false, false, 1, false, Connection::kMay},
    {"DATA", true, true, 1, true, Connection::kMay},
    {"STREAM_START", true, false, 1, false, Connection::kMay},
    {"STREAM_RESET", true, true, 1, false, Connection::kMay},
    {"SESSION_RESET", false, false, 1, false, Connection::kMay},
    {"SERVICE_IDS", false, false, 2, false, Connection::kMay},
    {"CONNECTION_START", true, false, 3, false, Connection::kMust},
    {"CONNECTION_RESET", true, true, 3, false, Connection::kMust},
}};

std::string subprotocol(int version) {
  return "subprotocol " + std::to_string(version) + ".0";
}

}  // namespace

std::string type_name(uint32_t type) {
  return type < kTypes.size() ? std::string(kTypes[type].name) : "type " + std::to_string(type);
}

Breach breach(const Message& message, std::string_view what, CloseCode code) {
  return {code, type_name(message.type) + ": " + std::string(what)};
}

std::optional<Type> type_of(const Message& message) {
  if (message.type == 0 || message.type >= kTypes.size()) return std::nullopt;
  return static_cast<Type>(message.type);
}

std::optional<Breach> check_message(const Message& message, Side from, int version) {
  const auto type = type_of(message);
  if (!type) {
    if (message.ignorable) return std::nullopt;
    return breach(message, "unknown type and not ignorable");
  }
  const TypeRule& rule = kTypes[message.type];
  if (version < rule.since) return breach(message, "not in " + subprotocol(version));
  if (from == Side::kSource ? !rule.source : !rule.destination) {
    return breach(message, "not allowed from a " + std::string(to_string(from)));
  }
  if (version < 2 && !message.service_id.empty())
    return breach(message, "serviceId in " + subprotocol(version));
  if (version < 3 && message.connection_id != 0)
    return breach(message, "connectionId in " + subprotocol(version));
  if (message.has_available_ids) return breach(message, "availableServiceIds are the service's to send");
  if (message.stream_id == 0) return breach(message, "streamId 0");
  // A negative id is encoded as an even larger number.
  if (static_cast<uint32_t>(message.stream_id) >= bounds::kIds || message.connection_id >= bounds::kIds) {
    return breach(message, "an id of 2^28 or more, which a known peer cannot encode");
  }
  if (message.payload.size() > bounds::kPayload) {
    return breach(message, "payload of " + std::to_string(message.payload.size()) + " bytes",
                  CloseCode::kTooBig);
  }
  if (!rule.payload && !message.payload.empty()) return breach(message, "with a payload");
  if (rule.connection == Connection::kMust && message.connection_id == 0) {
    return breach(message, "without a connectionId");
  }
  return std::nullopt;
}

}  // namespace localproxy::service
