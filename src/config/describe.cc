#include "config/describe.h"

namespace localproxy::config {
namespace {

std::string address_text(const LocalAddress& address) {
  switch (address.kind) {
    case LocalAddress::Kind::kUnix:
      return address.path;
    case LocalAddress::Kind::kStdio:
      return "standard input and output";
    case LocalAddress::Kind::kTcp:
      break;
  }
  const std::string port = address.port == 0 ? "a free port" : "port " + std::to_string(address.port);
  return address.host.empty() ? port : address.host + ", " + port;
}

class Lines {
 public:
  void add(const std::string& name, const std::string& value) { text_ += name + ": " + value + "\n"; }
  void add_services(const char* verb, const std::vector<ServiceMapping>& mappings) {
    for (const ServiceMapping& mapping : mappings) {
      const std::string service = mapping.service.empty() ? "the only service" : "service " + mapping.service;
      add(verb, service + ": " + address_text(mapping.address));
    }
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

std::string secret_text(const Secret& secret) {
  return secret.empty() ? "none" : "given, " + std::to_string(secret.size()) + " characters";
}

std::string tries(int count) {
  return count < 0 ? "for ever" : std::to_string(count) + " times";
}

}  // namespace

std::string describe(const Config& config) {
  const bool source = config.mode == Mode::kSource;
  const char* verb = source ? "listens for" : "connects for";
  Lines lines;
  lines.add("mode", source ? "source" : "destination");
  lines.add("endpoint", config.endpoint.host + ", port " + std::to_string(config.endpoint.port));
  lines.add("subprotocol", config.settings.subprotocol);
  lines.add("access token", secret_text(config.access_token));
  lines.add("client token", secret_text(config.client_token));
  lines.add_services(verb, config.services);
  lines.add_services(verb, config.known_services);
  if (source && config.services.empty()) lines.add(verb, "any other service: a free port");
  lines.add(source ? "listens on" : "connects from", !config.bind_address.empty() ? config.bind_address
                                                     : source                     ? "localhost"
                                                                                  : "any address");
  for (const std::string& path : config.ca_paths)
    lines.add("trusts also", "the certificates in " + path);
  if (!config.ca_file.empty()) lines.add("trusts also", "the certificates in " + config.ca_file);
  lines.add("verifies the service", config.verify_host ? "yes" : "NO (-k)");
  lines.add("Landlock", config.landlock ? "yes" : "NO (--sandbox=no-landlock)");
  if (config.idle_timeout.count() > 0)
    lines.add("closes idle connections", "after " + std::to_string(config.idle_timeout.count()) + " s");
  if (config.destination_version != Version::kV3)
    lines.add("the destination speaks",
              "version " + std::to_string(static_cast<int>(config.destination_version)) + " (-y)");
  lines.add("connections on one service", std::to_string(config.settings.max_connections));
  lines.add("reconnects", tries(config.settings.reconnect_tries));
  if (!source) lines.add("tries a local service", tries(config.settings.connect_tries));
  return lines.take();
}

}  // namespace localproxy::config
