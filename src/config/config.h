// Config: everything that a run needs to know, validated before any process is started or any port is opened.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/log.h"
#include "base/secret.h"

namespace localproxy::config {

enum class Mode : uint8_t { kSource, kDestination };

// Protocol versions 1 to 3.
enum class Version : uint8_t { kV1 = 1, kV2 = 2, kV3 = 3 };

// Where a service is on this machine: what a source listens on, or what a destination connects to.
struct LocalAddress {
  enum class Kind : uint8_t { kTcp, kUnix, kStdio };
  Kind kind = Kind::kTcp;
  std::string host;   // kTcp; empty: the bind address (source) or localhost (destination)
  uint16_t port = 0;  // kTcp; 0 only for a source: any free port
  std::string path;   // kUnix
};

// One entry of -s or -d.
struct ServiceMapping {
  std::string service;  // empty: given without a service id
  LocalAddress address;
};

struct Endpoint {
  std::string host;  // a name or an address, without brackets
  uint16_t port = 443;
};

// The settings that are honoured; the defaults are those of the reference.
struct Settings {
  int connect_tries = limits::kConnectTries;  // -1: forever
  std::chrono::milliseconds connect_retry_delay = limits::kConnectRetryDelay;
  uint32_t max_connections = limits::kMaxConnectionsPerService;
  uint32_t stall_timeout_ms = static_cast<uint32_t>(limits::kStall.count());  // 0: never
  std::chrono::milliseconds ping_period = limits::kPingPeriod;
  std::chrono::milliseconds backoff_first = limits::kBackoffFirst;
  int reconnect_tries = -1;  // -1: forever
  bool reconnect_on_data_error = true;
  std::string subprotocol = "aws.iot.securetunneling-3.0";
};

// A proxy on the way to the endpoint, which it reaches by CONNECT.
struct WebProxy {
  std::string scheme;  // "http" or "https"
  std::string host;    // a name or an address, without brackets
  uint16_t port = 0;
  Secret credentials;  // USER:PASSWORD, decoded; or empty
};

// What an https web proxy is shown if it asks for a certificate.
struct ClientCertificate {
  std::string file;      // absolute; empty: there is none
  std::string key_file;  // absolute; may be the same file
  std::string chain;     // PEM, the certificate itself first; empty, as the key, if no proxy can ask for it
  Secret key;            // PEM
};

struct Config {
  Mode mode = Mode::kSource;
  // From -s or -d. Empty for -m without a map; known_services then says where the services of the tunnel are.
  std::vector<ServiceMapping> services;
  // From --config-dir: services that the tunnel may have, each with an id. Not empty for a destination
  // without a map; a source picks free ports for services that are not here either.
  std::vector<ServiceMapping> known_services;
  Endpoint endpoint;
  Secret access_token;
  std::string access_token_origin;    // the option, variable or file that it came from, for people
  std::string access_token_file;      // absolute; the file of the token, if it can be read again
  Secret client_token;                // empty only with --no-client-token
  std::string client_token_origin;    // as for the access token; empty without one
  Secret client_key;                  // what client_token is derived with; empty: it is not derived
  std::string bind_address;           // empty: localhost for listening, any for connecting
  std::vector<std::string> ca_paths;  // directories of -c, besides the system store
  std::string ca_file;                // of --cafile, or empty
  std::string crl_file;               // of --crlfile, or empty
  std::vector<std::string> pins;      // SHA-256 of the service's possible public keys; empty: any key
  bool only_tls13 = false;            // --tls-min 1.3
  ClientCertificate proxy_certificate;
  // From SSL_CERT_FILE and SSL_CERT_DIR, in place of the system's; empty when the variable names nothing that
  // exists.
  std::optional<std::string> cert_file;
  std::optional<std::vector<std::string>> cert_paths;
  bool verify_host = true;                     // false: -k
  Version destination_version = Version::kV3;  // -y
  LogLevel verbosity = LogLevel::kInfo;
  std::string user;      // --user, or the build's default; used only when started as root
  bool landlock = true;  // false: --sandbox=no-landlock
  Settings settings;
  std::optional<WebProxy> web_proxy;     // also unset when no_proxy exempts the endpoint
  std::vector<std::string> no_proxy;     // as written, see web_proxy.h
  std::string exempted_by;               // the entry of no_proxy that has kept web_proxy unset, or empty
  std::chrono::seconds idle_timeout{0};  // 0: connections may be idle forever
  std::chrono::seconds half_close_linger = limits::kHalfClose;  // 0: none
};

}  // namespace localproxy::config
