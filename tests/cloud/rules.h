// Who may send which message with which fields: the part of the protocol that needs no memory.
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

// nullopt: no such type.
std::optional<Type> type_of(const Message& message);

// What is wrong with a message from that side over a connection with subprotocol `version`.0.0. A message of
// a type that nobody knows is not judged when it is ignorable.
std::optional<Breach> check_message(const Message& message, Side from, int version);

}  // namespace localproxy::service
