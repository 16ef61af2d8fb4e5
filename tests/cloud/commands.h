// The commands of the control socket: one JSON object in, one out.
#pragma once

#include <nlohmann/json.hpp>

#include <chrono>
#include <functional>
#include <string_view>

#include "arguments.h"
#include "server.h"

namespace localproxy::service {

// The answer to a command; when `until` is set, the condition to wait for before it is sent.
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

// The tunnel named by the argument "tunnel"; nullptr, with an error in args, if there is none.
Tunnel* tunnel_argument(Server& server, Arguments& args);

// The proxy at "tunnel" and "side"; nullptr, with an error in args, if there is none.
Proxy* proxy_argument(Server& server, Arguments& args);

// A command takes its arguments first and does nothing if args.finish() returns an error.
using Command = Outcome (*)(Server& server, Arguments& args);

// Commands that only look and wait (command_views.cc).
Outcome status(Server& server, Arguments& args);
Outcome record(Server& server, Arguments& args);
Outcome recorded(Server& server, Arguments& args);
Outcome wait(Server& server, Arguments& args);

}  // namespace localproxy::service
