// Every message between two of our processes: its fields, in the order of their numbers.
//
// A datagram of a SOCK_SEQPACKET socket is one message: its number (2 bytes), then its fields (ipc/fields.h).
// Who may send it, and when, is in the table (ipc/table.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <tuple>

#include "base/limits.h"
#include "ipc/fields.h"
#include "ipc/table.h"

namespace localproxy::ipc {

inline constexpr size_t kMaxPath = 4'096;
inline constexpr size_t kMaxHost = 255;
// USER:PASSWORD of a web proxy.
inline constexpr size_t kMaxProxyCredentials = 512;
// Addresses of one name that are tried; each is a family (4 or 6) and 4 or 16 bytes.
inline constexpr size_t kMaxAddresses = 16;

// monitor -> child: what to load before the sandbox is entered.
struct Setup {
  static constexpr Type kType = Type::kSetup;
  uint32_t version = table_version();
  uint32_t parent_pid = 0;
  uint32_t user = 0;  // launch: not 0: the user to become, because root started it
  uint32_t group = 0;
  bool local_names = false;  // launch, resolve: a name to look up ends in .local
  uint8_t log_level = 0;
  bool landlock = true;     // false: --sandbox=no-landlock
  bool only_tls13 = false;  // net: no older version of TLS
  bool load_roots = false;  // net: the system's root certificates and those below
  // Whether SSL_CERT_FILE or SSL_CERT_DIR is set and replaces the system's file or directory.
  bool has_cert_file = false;
  bool has_cert_paths = false;
  uint8_t cert_paths = 0;  // so many of ca_paths, the first ones, are from SSL_CERT_DIR
  Text<kMaxPath> cert_file;
  TextList<limits::kMaxCaPaths, kMaxPath> ca_paths;
  Text<kMaxPath> ca_file;
  Text<kMaxPath> crl_file;
  static auto fields(Setup& m) {
    return std::tie(m.version, m.parent_pid, m.user, m.group, m.local_names, m.log_level, m.landlock,
                    m.only_tls13, m.load_roots, m.has_cert_file, m.has_cert_paths, m.cert_paths, m.cert_file,
                    m.ca_paths, m.ca_file, m.crl_file);
  }
};

// child -> monitor: the child is in its sandbox, with these parts in force (sandbox::SandboxStatus).
struct Ready {
  static constexpr Type kType = Type::kReady;
  uint32_t user = 0;
  uint32_t group = 0;
  bool mdwe = false;
  bool namespaces = false;
  Text<128> not_granted;
  uint8_t landlock_abi = 0;
  uint8_t system_calls = 0;
  static auto fields(Ready& m) {
    return std::tie(m.user, m.group, m.mdwe, m.namespaces, m.not_granted, m.landlock_abi, m.system_calls);
  }
};

struct LogLine {
  static constexpr Type kType = Type::kLog;
  uint8_t level = 0;
  Text<limits::kMaxLogLine> text;
  static auto fields(LogLine& m) { return std::tie(m.level, m.text); }
};

// monitor -> net, bridge: send what was accepted, close in order, exit.
struct Stop {
  static constexpr Type kType = Type::kStop;
  static auto fields(Stop&) { return std::tie(); }
};

// How net reaches the service over the socket that it is handed.
enum class ProxyKind : uint8_t {
  kNone,   // directly
  kHttp,   // by CONNECT
  kHttps,  // by CONNECT inside TLS with the proxy
  kLast = kHttps,
};

// monitor -> net, with the connected TCP socket: all that one tunnel connection needs.
struct Grant {
  static constexpr Type kType = Type::kGrant;
  bool source = false;  // false: destination mode
  bool verify = true;   // false: -k
  uint16_t port = 0;
  uint32_t ping_period_ms = 0;
  uint32_t max_connections = 0;  // on one service
  uint32_t stall_ms = 0;         // a local side that takes nothing for so long is reset; 0: never
  uint8_t peer_version = 3;      // source: the format that the destination understands (-y), 1 to 3
  ProxyKind proxy = ProxyKind::kNone;
  uint16_t proxy_port = 0;
  Text<kMaxHost> proxy_host;
  SecretText<kMaxProxyCredentials> proxy_credentials;  // USER:PASSWORD, or empty
  // kHttps: what the proxy is shown if it asks for a certificate, as PEM; empty: nothing.
  Text<limits::kMaxClientCertificate> proxy_certificate;
  SecretText<limits::kMaxClientKey> proxy_key;
  Text<kMaxHost> host;
  TextList<limits::kMaxPins, 32> pins;  // SHA-256 of the public keys that the service may have; none: any
  Text<128> subprotocol;
  SecretText<limits::kMaxAccessToken> access_token;
  SecretText<limits::kMaxClientToken> client_token;
  static auto fields(Grant& m) {
    return std::tie(m.source, m.verify, m.port, m.ping_period_ms, m.max_connections, m.stall_ms,
                    m.peer_version, m.proxy, m.proxy_port, m.proxy_host, m.proxy_credentials,
                    m.proxy_certificate, m.proxy_key, m.host, m.pins, m.subprotocol, m.access_token,
                    m.client_token);
  }
};

using ServiceList = TextList<limits::kMaxServices, limits::kMaxServiceId>;

// net -> monitor: the tunnel is up and has these services.
struct Up {
  static constexpr Type kType = Type::kUp;
  ServiceList services;
  static auto fields(Up& m) { return std::tie(m.services); }
};

// monitor -> net: the service ids in the order of their indexes.
struct Services {
  static constexpr Type kType = Type::kServices;
  ServiceList services;
  static auto fields(Services& m) { return std::tie(m.services); }
};

// Why a tunnel connection ended.
enum class DownReason : uint8_t {
  kStopped,       // the monitor sent STOP
  kClosed,        // the service sent a close frame
  kRefused,       // 4xx that a retry will not change
  kRejected,      // 408, 429, 5xx and other answers, which may be different next time
  kLost,          // the connection broke, or could not be made
  kTls,           // the certificate is not trusted, or the handshake failed
  kProtocol,      // the peer or the service broke the protocol
  kProxyRefused,  // 4xx of the web proxy
  kCannotAsk,     // the configuration does not make a valid request
  kLast = kCannotAsk,
};

// The exit status of a net that cannot load the root certificates. It loads them before it may send messages
// (EX_CONFIG of <sysexits.h>).
inline constexpr int kNoRoots = 78;

// net -> monitor, its last message.
struct Down {
  static constexpr Type kType = Type::kDown;
  DownReason what = DownReason::kLost;
  uint16_t retry_after = 0;  // seconds that the service asks us to wait; 0: it does not say
  uint16_t close_code = 0;
  Text<limits::kMaxLogLine> reason;
  static auto fields(Down& m) { return std::tie(m.what, m.retry_after, m.close_code, m.reason); }
};

// monitor -> bridge, with a listening socket.
struct Listener {
  static constexpr Type kType = Type::kListener;
  uint16_t service = 0;
  Text<kMaxHost> name;                       // for the log: "port 5555"
  Text<limits::kMaxServiceId> service_name;  // for the log; empty: the service has none
  static auto fields(Listener& m) { return std::tie(m.service, m.name, m.service_name); }
};

// monitor -> bridge: connections to this service are dialled.
struct Target {
  static constexpr Type kType = Type::kTarget;
  uint16_t service = 0;
  Text<limits::kMaxServiceId> service_name;  // as above
  static auto fields(Target& m) { return std::tie(m.service, m.service_name); }
};

// monitor -> bridge, with the bridge's end of its channel to a new net; the old net's connections are reset.
struct Peer {
  static constexpr Type kType = Type::kPeer;
  uint32_t max_connections = 0;    // on one service
  uint32_t idle_timeout = 0;       // seconds; 0: connections may be idle forever
  uint32_t half_close_linger = 0;  // seconds; 0: none
  static auto fields(Peer& m) { return std::tie(m.max_connections, m.idle_timeout, m.half_close_linger); }
};

struct Accepting {
  static constexpr Type kType = Type::kAccepting;
  bool on = false;
  static auto fields(Accepting& m) { return std::tie(m.on); }
};

// bridge -> monitor: connect to the target of a service.
struct Dial {
  static constexpr Type kType = Type::kDial;
  uint16_t service = 0;
  uint32_t cookie = 0;
  static auto fields(Dial& m) { return std::tie(m.service, m.cookie); }
};

struct DialCancel {
  static constexpr Type kType = Type::kDialCancel;
  uint32_t cookie = 0;
  static auto fields(DialCancel& m) { return std::tie(m.cookie); }
};

// monitor -> bridge, with the connected socket.
struct Dialed {
  static constexpr Type kType = Type::kDialed;
  uint32_t cookie = 0;
  Text<kMaxHost> name;  // for the log: the address that answered
  static auto fields(Dialed& m) { return std::tie(m.cookie, m.name); }
};

struct DialFailed {
  static constexpr Type kType = Type::kDialFailed;
  uint32_t cookie = 0;
  static auto fields(DialFailed& m) { return std::tie(m.cookie); }
};

// monitor -> bridge: send COUNTERS.
struct Count {
  static constexpr Type kType = Type::kCount;
  static auto fields(Count&) { return std::tie(); }
};

// bridge -> monitor: totals since the start.
struct Counters {
  static constexpr Type kType = Type::kCounters;
  uint32_t open = 0;       // connections now
  uint64_t opened = 0;     // connections ever
  uint64_t bytes_out = 0;  // from local sockets into the tunnel
  uint64_t bytes_in = 0;   // from the tunnel to local sockets
  uint32_t full = 0;       // times that a listener has reached its limit of connections
  static auto fields(Counters& m) { return std::tie(m.open, m.opened, m.bytes_out, m.bytes_in, m.full); }
};

// bridge -> net, with net's ends of the connection's channel, the one to read first: a local client connected
// (source).
struct Accepted {
  static constexpr Type kType = Type::kAccepted;
  uint16_t service = 0;
  uint32_t connection = 0;
  static auto fields(Accepted& m) { return std::tie(m.service, m.connection); }
};

// bridge -> net, with net's ends of the connection's channel, the one to read first: the answer to OPEN
// (destination).
struct Opening {
  static constexpr Type kType = Type::kOpening;
  uint32_t connection = 0;
  static auto fields(Opening& m) { return std::tie(m.connection); }
};

// bridge -> net: the local service could not be reached.
struct Failed {
  static constexpr Type kType = Type::kFailed;
  uint32_t connection = 0;
  static auto fields(Failed& m) { return std::tie(m.connection); }
};

// net -> bridge: the peer opens a connection to a service (destination).
struct Open {
  static constexpr Type kType = Type::kOpen;
  uint16_t service = 0;
  uint32_t connection = 0;
  static auto fields(Open& m) { return std::tie(m.service, m.connection); }
};

// net -> bridge: what the channel still holds is all; close the local socket in order after it. A channel
// that ends without this is a broken tunnel, and its local socket is reset.
struct Finish {
  static constexpr Type kType = Type::kFinish;
  uint32_t connection = 0;
  static auto fields(Finish& m) { return std::tie(m.connection); }
};

// net -> bridge: reset the local socket at once.
struct Reset {
  static constexpr Type kType = Type::kReset;
  uint32_t connection = 0;
  static auto fields(Reset& m) { return std::tie(m.connection); }
};

struct Lookup {
  static constexpr Type kType = Type::kLookup;
  Text<kMaxHost> host;
  static auto fields(Lookup& m) { return std::tie(m.host); }
};

struct Addresses {
  static constexpr Type kType = Type::kAddresses;
  TextList<kMaxAddresses, 16> addresses;  // 4 or 16 bytes each, in the order of preference
  static auto fields(Addresses& m) { return std::tie(m.addresses); }
};

// A file that name lookups depend on.
enum class NameFile : uint8_t { kNone, kResolvConf, kHosts, kNsswitch, kLast = kNsswitch };
// "/etc/hosts"; "" for kNone.
const char* path_of(NameFile file);

// Why it could not be read.
enum class Unread : uint8_t {
  kMissing,      // it does not exist
  kPermissions,  // the user may not read it
  kSandbox,      // it has moved since launch entered its sandbox
  kLast = kSandbox,
};

struct LookupFailed {
  static constexpr Type kType = Type::kLookupFailed;
  Text<limits::kMaxLogLine> reason;
  NameFile file = NameFile::kNone;  // the first that could not be read, and should have been
  Unread unread = Unread::kMissing;
  static auto fields(LookupFailed& m) { return std::tie(m.reason, m.file, m.unread); }
};

// monitor -> bridge: its standard input and output are a local client of this service, the only one.
struct Stdio {
  static constexpr Type kType = Type::kStdio;
  uint16_t service = 0;
  static auto fields(Stdio& m) { return std::tie(m.service); }
};

// bridge -> monitor: that client's connection has ended.
struct StdioEnded {
  static constexpr Type kType = Type::kStdioEnded;
  bool lost = false;  // not in order, bytes may be missing
  static auto fields(StdioEnded& m) { return std::tie(m.lost); }
};

// What a child gets besides /dev/null.
enum class ChildFd : uint8_t {
  kChannel,  // to the monitor
  kErrors,   // its standard error
  kSibling,  // net's channel to the bridge
  kLast = kSibling,
};

// monitor -> launch, with a descriptor for the next child.
struct PassFd {
  static constexpr Type kType = Type::kPassFd;
  ChildFd which = ChildFd::kChannel;
  static auto fields(PassFd& m) { return std::tie(m.which); }
};

// monitor -> launch: start a child with the descriptors that came before.
struct Launch {
  static constexpr Type kType = Type::kLaunch;
  uint32_t number = 0;  // by which the monitor knows it
  Role role = Role::kNet;
  bool standard_streams = false;  // it gets standard input and output
  static auto fields(Launch& m) { return std::tie(m.number, m.role, m.standard_streams); }
};

// monitor -> launch: end a child at once.
struct Kill {
  static constexpr Type kType = Type::kKill;
  uint32_t number = 0;
  static auto fields(Kill& m) { return std::tie(m.number); }
};

// launch -> monitor: a child has ended, or could not be started.
struct Exited {
  static constexpr Type kType = Type::kExited;
  uint32_t number = 0;
  bool by_signal = false;
  uint8_t value = 0;                      // the signal, or the exit status
  Text<limits::kMaxLogLine> not_started;  // why not; empty: it was started
  static auto fields(Exited& m) { return std::tie(m.number, m.by_signal, m.value, m.not_started); }
};

// monitor -> child: send PONG, as a sign that it does not hang.
struct Ping {
  static constexpr Type kType = Type::kPing;
  static auto fields(Ping&) { return std::tie(); }
};

// child -> monitor, once for each PING.
struct Pong {
  static constexpr Type kType = Type::kPong;
  static auto fields(Pong&) { return std::tie(); }
};

}  // namespace localproxy::ipc
