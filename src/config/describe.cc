#include "config/describe.h"

#include <utility>

#include "base/address.h"
#include "base/log.h"
#include "config/certificates.h"

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
  void add(const std::string& name, const std::string& value) {
    text_ += name + ": " + escape_for_log(value) + "\n";
  }
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

std::string secret_text(const Secret& secret, const std::string& origin) {
  if (secret.empty()) return "none (--no-client-token)";
  return std::to_string(secret.size()) + " characters (" + origin + ")";
}

std::string tries(int count) {
  return count < 0 ? "forever" : std::to_string(count) + " times";
}

std::string host_port(const std::string& host, uint16_t port) {
  return host + ", port " + std::to_string(port);
}

std::string way_to_endpoint(const Config& config) {
  if (!config.exempted_by.empty()) return "directly, because no_proxy has '" + config.exempted_by + "'";
  if (!config.web_proxy) return "directly";
  const WebProxy& proxy = *config.web_proxy;
  std::string text = "through the web proxy " + proxy.scheme + "://" + authority_of(proxy.host, proxy.port);
  if (proxy.credentials.empty()) return text;
  return text + (proxy.credentials.reveal().ends_with(':') ? ", with a user name" : ", with a password");
}

// The system's root certificates, or what replaces them.
void describe_roots(const Config& config, Lines& lines) {
  if (!needs_roots(config)) return lines.add("trusts", "anybody");
  if (!config.cert_file && !config.cert_paths) return lines.add("trusts", "the system's root certificates");
  if (!config.cert_file)
    lines.add("trusts", "the system's file of root certificates");
  else if (!config.cert_file->empty())
    lines.add("trusts", "the certificates in " + *config.cert_file + " (SSL_CERT_FILE)");
  if (!config.cert_paths)
    lines.add("trusts", "the system's directory of root certificates");
  else
    for (const std::string& path : *config.cert_paths)
      lines.add("trusts", "the certificates in " + path + " (SSL_CERT_DIR)");
}

void describe_service(const Config& config, Lines& lines) {
  const Settings& settings = config.settings;
  lines.add("endpoint", host_port(config.endpoint.host, config.endpoint.port));
  lines.add("reached", way_to_endpoint(config));
  lines.add("subprotocol", settings.subprotocol);
  lines.add("verifies the service",
            config.verify_host ? "yes, as " + config.endpoint.host : "NO (--no-ssl-host-verify)");
  describe_roots(config, lines);
  for (const std::string& path : config.ca_paths)
    lines.add("trusts also", "the certificates in " + path);
  if (!config.ca_file.empty()) lines.add("trusts also", "the certificates in " + config.ca_file);
  if (!config.crl_file.empty())
    lines.add("does not trust", "what the CRLs in " + config.crl_file + " revoke");
  lines.add("access token", secret_text(config.access_token, config.access_token_origin));
  lines.add("client token", secret_text(config.client_token, config.client_token_origin));
  if (!config.pins.empty())
    lines.add("public key of the service",
              "one of " + std::to_string(config.pins.size()) + " (--pin-sha256)");
  lines.add("TLS", config.only_tls13 ? "1.3 only" : "1.2 or 1.3");
  if (const ClientCertificate& own = config.proxy_certificate; !own.file.empty())
    lines.add("shows an https web proxy",
              "the certificate in " + own.file + ", with the key in " + own.key_file);
  lines.add("reconnects", tries(settings.reconnect_tries) + ", first after " +
                              std::to_string(settings.backoff_first.count()) + " ms, " +
                              (settings.reconnect_on_data_error ? "also" : "not") +
                              " after a protocol error");
  lines.add("pings", "every " + std::to_string(settings.ping_period.count()) + " ms");
}

void describe_local(const Config& config, Lines& lines) {
  const bool source = config.mode == Mode::kSource;
  const char* verb = source ? "listens for" : "connects for";
  lines.add_services(verb, config.services);
  lines.add_services(verb, config.known_services);
  if (source && config.services.empty()) lines.add(verb, "any other service: a free port");
  lines.add(source ? "listens on" : "connects from", !config.bind_address.empty() ? config.bind_address
                                                     : source                     ? "localhost"
                                                                                  : "any address");
  if (source)
    lines.add("the destination speaks",
              "version " + std::to_string(static_cast<int>(config.destination_version)));
  else
    lines.add("tries a local service", tries(config.settings.connect_tries) + ", every " +
                                           std::to_string(config.settings.connect_retry_delay.count()) +
                                           " ms");
  lines.add("connections on one service", "at most " + std::to_string(config.settings.max_connections));
  const auto stall = config.settings.stall_timeout_ms;
  lines.add("resets a local side that takes nothing",
            stall > 0 ? "after " + std::to_string(stall) + " ms, when others may wait for it" : "never");
  const auto idle = config.idle_timeout.count();
  const auto linger = config.half_close_linger.count();
  lines.add("waits for the answer to a client that has ended its side",
            linger > 0 ? std::to_string(linger) + " s" : "no");
  lines.add("closes idle connections", idle > 0 ? "after " + std::to_string(idle) + " s" : "never");
}

}  // namespace

std::string describe(const Config& config) {
  Lines lines;
  lines.add("mode", config.mode == Mode::kSource ? "source" : "destination");
  describe_service(config, lines);
  describe_local(config, lines);
  lines.add("log level", std::to_string(static_cast<int>(config.verbosity)) + " (" +
                             std::string(to_string(config.verbosity)) + ")");
  lines.add("user if started as root", config.user);
  lines.add("Landlock", config.landlock ? "yes" : "NO (--sandbox=no-landlock)");
  return lines.take();
}

}  // namespace localproxy::config
