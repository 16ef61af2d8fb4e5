// The commands of the control socket: one JSON object in, one out.
#pragma once

#include <nlohmann/json.hpp>

#include <chrono>
#include <functional>
#include <string_view>

#include "arguments.h"
#include "server.h"

namespace localproxy::service {

// The answer to a command; or, when `until` is set, what has to hold before it is given.
struct Outcome {
  nlohmann::json answer = nlohmann::json::object();
  std::function<bool()> until = {};
  std::chrono::milliseconds timeout{};
};

// Runs one line of the control socket.
Outcome run_command(Server& server, std::string_view line);

nlohmann::json error_answer(std::string_view why);

inline Outcome failure(std::string_view why) {
  return {error_answer(why)};
}

// The tunnel that is named by the argument "tunnel"; nullptr, and args failed, when there is none.
Tunnel* tunnel_argument(Server& server, Arguments& args);

// Who sits at "tunnel" and "side"; nullptr, and args failed, when nobody does.
Proxy* proxy_argument(Server& server, Arguments& args);

// A command takes its arguments first and does nothing when args.finish() has an objection.
using Command = Outcome (*)(Server& server, Arguments& args);

// What only looks and waits (command_views.cc).
Outcome status(Server& server, Arguments& args);
Outcome record(Server& server, Arguments& args);
Outcome recorded(Server& server, Arguments& args);
Outcome wait(Server& server, Arguments& args);

}  // namespace localproxy::service
