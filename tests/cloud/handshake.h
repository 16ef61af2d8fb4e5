// Parses the upgrade request of RFC 6455, section 4, with the additions of tunnels, from bytes to values.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "side.h"

namespace localproxy::service {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method;
  std::string target;
  Headers headers;  // names in lower case, in the order they came

  // The value, or nullopt unless there is exactly one.
  std::optional<std::string> single(std::string_view name) const;
  std::vector<std::string> all(std::string_view name) const;
};

// A request that passed all checks.
struct Upgrade {
  Side side = Side::kSource;
  int version = 0;
  std::string subprotocol;
  std::string access_token;
  std::optional<std::string> client_token;
  std::string key;
};

struct Response {
  int status = 0;
  Headers headers;
  std::string body;

  void set(std::string_view name, std::string_view value);
  void remove(std::string_view name);
  std::string serialise() const;
};

// The reason for a refusal; becomes status and body of the response.
struct Refusal {
  int status;
  std::string reason;
};

// The length of the head at the front of bytes, including its empty line; nullopt: incomplete.
std::optional<size_t> head_length(std::string_view bytes);

// REQUIRES: head ends with its empty line.
std::variant<Request, Refusal> parse_request(std::string_view head);

std::variant<Upgrade, Refusal> check_upgrade(const Request& request);

Response make_switch(const Upgrade& upgrade, std::string_view channel_id);
Response make_refusal(const Refusal& refusal, std::string_view channel_id);

// Sec-WebSocket-Accept for a Sec-WebSocket-Key.
std::string accept_for(std::string_view key);

}  // namespace localproxy::service
