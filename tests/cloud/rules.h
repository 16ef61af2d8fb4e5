// Which side may send which message with which fields: the stateless part of the protocol.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "message.h"
#include "side.h"

namespace localproxy::service {

// The name that the schema gives a type, or its number.
std::string type_name(uint32_t type);

// The breach that message is: its type, and what is wrong with it.
Breach breach(const Message& message, std::string_view what, CloseCode code = CloseCode::kPolicy);

// nullopt: the type is unknown.
std::optional<Type> type_of(const Message& message);

// What is wrong with a message from that side over a connection with subprotocol `version`.0.0. Ignorable
// messages of unknown types are not checked.
std::optional<Breach> check_message(const Message& message, Side from, int version);

}  // namespace localproxy::service
