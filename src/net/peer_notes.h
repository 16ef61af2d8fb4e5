// What the log says about a peer that speaks an older version of the protocol, or does not answer.
#pragma once

#include <string>
#include <vector>

#include "net/format.h"
#include "wire/data.h"

namespace localproxy::net {

// The destination turned out to be older. first: its first DATA message.
std::string older_destination_note(const wire::DataView& first);
// The destination has sent nothing so far. what: happened meanwhile; format: of what we send.
std::string silence_note(const std::string& what, const Format& format, size_t services);
// what: was ignored, because it names no service of several.
std::string nameless_note(const std::string& what, bool source, const std::vector<std::string>& services);

}  // namespace localproxy::net
