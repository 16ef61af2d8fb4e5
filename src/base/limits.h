// Every limit of the program, in one place, each with its unit and its reason.
//
// "Service": the public protocol guides of AWS IoT secure tunneling. "RFC": the number of the document.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace localproxy::limits {

using std::chrono::milliseconds;
using std::chrono::seconds;

// ---- tunnel protocol ----

// Bytes of payload in one DATA message (service: 63 KiB).
inline constexpr size_t kMaxPayload = 64'512;
// Bytes of one serialised Message: what the two-byte length in front of it can say.
inline constexpr size_t kMaxMessage = 65'535;
// Bytes of payload in one WebSocket frame, either direction (service).
inline constexpr size_t kMaxWebSocketPayload = 131'076;
// Bytes of a service id (service: [a-zA-Z0-9:_-]{1,128}).
inline constexpr size_t kMaxServiceId = 128;
// Services of one tunnel. The default quota is 3 but can be raised; this bounds our tables.
inline constexpr size_t kMaxServices = 64;
// Bytes of our whole upgrade request (service: 4,096).
inline constexpr size_t kMaxUpgradeRequest = 4'096;
// Bytes of the head of an HTTP response; the real service's heads are below 1 KiB.
inline constexpr size_t kMaxResponseHead = 16'384;
// Bytes that are kept of the body of a refusal, which is one sentence.
inline constexpr size_t kMaxErrorBody = 1'024;
// Bytes of payload of a WebSocket control frame (RFC 6455, 5.5).
inline constexpr size_t kMaxControlPayload = 125;

// The largest stream or connection id that we assign; 1 comes after it. AWS's client library, which its
// device SDKs use, cannot encode a number of 2^28 or more: each of its answers then fails silently.
inline constexpr uint32_t kMaxId = (1U << 27) - 1;
// The first stream of a tunnel connection has a random id up to this one, so that late messages of the
// previous tunnel connection are recognised as stale. Far enough below kMaxId that ids never wrap in
// practice.
inline constexpr uint32_t kMaxFirstStreamId = 1U << 24;

// ---- tokens ----

// The most that the rest of the upgrade request can leave. Whether a token fits also depends on the host
// name; net finds out when it writes the request.
inline constexpr size_t kMaxAccessToken = kMaxUpgradeRequest - 300;
inline constexpr size_t kMinClientToken = 32;
inline constexpr size_t kMaxClientToken = 128;

// ---- memory ----

// Bytes of framed output that net keeps for the tunnel before it stops reading channels. Room for two full
// messages, so that one is framed while the other is written.
inline constexpr size_t kTunnelOutputBudget = 2 * (kMaxPayload + 512);
// Bytes that wait unsent in the socket of the tunnel, or of a local service that was dialled: enough to keep
// it busy, few enough that a keystroke does not wait long and that the progress of a slow local service is
// seen in time (kStall). The kernel's own threshold is a third of a buffer that may hold megabytes.
inline constexpr int kUnsent = 64 * 1024;
// Bytes of the tunnel's receive buffer. Without this limit the kernel buffers megabytes for a slow local
// side, and all other connections wait behind them. The service grants an account 800 kB a second (its guide,
// "Using simultaneous TCP connections"). This suffices for that at a round trip of 300 ms, and for 5 MB a
// second at 50 ms.
inline constexpr int kTunnelReceive = 256 * 1024;
// A read of this many bytes marks a connection as bulk traffic: others go first.
inline constexpr size_t kBulkRead = 4 * 1024;
// Bytes of tunnel data that net keeps for one connection whose channel is full before it stops reading the
// tunnel.
inline constexpr size_t kConnectionBacklog = 128 * 1024;
// Capacities in bytes of a pipe. Each connection has one out of the tunnel. The pipes of one user share 64
// MiB (pipe-user-pages-soft), whether anything is in them or not. Once these are used up, the kernel makes
// new pipes as small as kIdlePipe and lets none grow.
//
// Of an idle connection: two pages, room for keystrokes and what a terminal shows. There may be 8,192.
inline constexpr size_t kIdlePipe = 8 * 1024;
// Of one that is used, and of a new one: the kernel's default (pipe(7)). There may be 1,024.
inline constexpr size_t kPipe = 64 * 1024;
// Of bulk traffic. Every splice wakes the process at the other end, and with the default capacity those
// wakeups are most of the cost of moving bytes; with four times as much they no longer are.
inline constexpr size_t kBulkPipe = 256 * 1024;
// Channels of one bridge that have such a pipe, an eighth of what the user has. Any more get kPipe, so that a
// thousand busy connections still fit.
inline constexpr size_t kMostBulkPipes = 32;
// So many bytes within kPipeRest give a pipe kPipe, and in one splice kBulkPipe.
inline constexpr size_t kBulkSplice = 16 * 1024;
// A larger pipe through which fewer go in this time becomes an idle one again.
inline constexpr milliseconds kPipeRest{5'000};
// After the kernel has refused to make a pipe larger, none is tried for this long: the limit is far away
// again only when many connections have ended.
inline constexpr milliseconds kPipeRefused{10'000};
// Bytes moved into the tunnel for one connection before others get their turn.
inline constexpr size_t kPumpTurn = kPipe;
// Empty pipes that the bridge keeps for the next transfer into the tunnel. One is enough while both sides
// keep up.
inline constexpr size_t kMaxIdlePipes = 4;
// Messages that may wait in one internal channel while its reader is busy; one more ends the sender.
inline constexpr size_t kMaxQueuedIpcMessages = 4'096;
// Characters of one log line; the rest is cut.
inline constexpr size_t kMaxLogLine = 1'024;

// Log lines of one source (the helpers of one role, or what the monitor says of others' deeds), and their
// bytes, per second and in a burst. The burst has room for a busy service's connections of some minutes. The
// rest is what a compromised process, the service or a peer may write to a disk for as long as it likes: at
// most 700 MB a day.
inline constexpr unsigned kLogLinesPerSecond = 50;
inline constexpr unsigned kLogLinesAtOnce = 2'000;
inline constexpr unsigned kLogBytesPerSecond = 8 * 1024;
inline constexpr unsigned kLogBytesAtOnce = 256 * 1024;
// Repeated and dropped lines are summed up for this long.
inline constexpr milliseconds kLogSummary{1'000};

// Bytes of log lines that may wait for the reader of standard error: a burst of some ten thousand lines.
inline constexpr size_t kLogWaiting = 1024 * 1024;
// Interval between two checks whether there is room for them.
inline constexpr milliseconds kLogRetry{100};
// The longest that they wait at the end of the process.
inline constexpr milliseconds kLogFlush{1'000};
// A write to a standard error that could not be made non-blocking is interrupted after this.
inline constexpr seconds kLogWrite{2};

// This long after its last connection net returns unused memory to the system.
inline constexpr milliseconds kTrim{1'000};

// ---- connections ----

// Dials that the bridge may ask for, per second and in a burst. Any above that fail: a compromised bridge
// must not use the monitor to flood a local service.
inline constexpr unsigned kDialsPerSecond = 5'000;
inline constexpr unsigned kDialsAtOnce = 10'000;

// Connections that the service may open at a destination, per second and in a burst; more is a breach. Below
// the dials, so that the bridge can ask for all of them, and the burst is short enough for its channel
// (kMaxQueuedIpcMessages), since each may be opened and ended at once.
inline constexpr unsigned kOpensPerSecond = 5'000;
inline constexpr unsigned kOpensAtOnce = 1'000;

// Connections at once on one service (the reference's default).
inline constexpr uint32_t kMaxConnectionsPerService = 128;
// The most that a setting may raise it to: descriptors are finite.
inline constexpr uint32_t kMaxConnectionsSetting = 16'384;
// Connections that the kernel completes before we accept them: clients that come in a burst. Those beyond may
// be reset, since they are made with SYN cookies then. The system's limit is 4,096 (somaxconn).
inline constexpr int kListenBacklog = 1'024;
// When the system has no descriptor or memory for a connection, accepting pauses this long, or until a
// connection ends.
inline constexpr milliseconds kAcceptPause{1'000};
// The descriptor limit that a process must have, plus two for each service. A source was seen to work with 28
// plus those; a lookup takes 4 for a moment, and the rest leaves room to dial and carry some connections at
// once.
inline constexpr size_t kLeastDescriptors = 64;
// Interval between two tries to pass a descriptor on, or to get a pipe, when the kernel had none left. Short
// enough that nobody notices the delay, long enough to cost nothing.
inline constexpr milliseconds kShortageRetry{100};

// ---- certificates ----

// Directories of -c and of SSL_CERT_DIR together.
inline constexpr size_t kMaxCaPaths = 8;
// Bytes of the file of --crlfile. An authority's list of 100,000 certificates has about 5 MB as PEM, and
// OpenSSL needs several times that.
inline constexpr int64_t kMaxCrlFile = 8 * 1024 * 1024;
// Public keys of --pin-sha256. A service has one, and another that takes its place one day.
inline constexpr size_t kMaxPins = 16;
// Bytes of the certificates of --proxy-cert, as PEM: a chain of five, with long keys.
inline constexpr size_t kMaxClientCertificate = 16 * 1024;
// Bytes of the key of --proxy-key, as PEM: RSA with 8,192 bits needs 6,400. The secrets of a run have to fit
// into kLockedArea twice, while GRANT is made.
inline constexpr size_t kMaxClientKey = 8 * 1024;

// ---- time ----

// Interval between WebSocket pings (the reference's default); the service cuts connections that are idle for
// a minute.
inline constexpr milliseconds kPingPeriod{5'000};
// Once the service has answered a ping, a connection on which nothing arrives for this long counts as dead.
inline constexpr milliseconds kDeadPeer{30'000};
// From the TCP connection to the end of the upgrade.
inline constexpr milliseconds kNegotiation{20'000};
// One TCP connect.
inline constexpr milliseconds kConnectTimeout{15'000};
// Head start of one address over the next (RFC 8305, 5: "Connection Attempt Delay").
inline constexpr milliseconds kConnectStagger{250};
// One name lookup.
inline constexpr milliseconds kLookupTimeout{15'000};
// First and longest delay between two tunnel connections, before jitter.
inline constexpr milliseconds kBackoffFirst{2'500};
inline constexpr milliseconds kBackoffMost{60'000};
// The longest that the service can put us off with Retry-After.
inline constexpr seconds kRetryAfterMost{300};
// After a tunnel that was up for this long, the delays start over.
inline constexpr milliseconds kBackoffForget{30'000};
// Tries to reach a local service, and the time between two (the reference's defaults).
inline constexpr int kConnectTries = 5;
inline constexpr milliseconds kConnectRetryDelay{2'500};
// A connection whose full backlog has kept the whole tunnel waiting this long is reset (a setting). A source
// does this only while others are open, since it knows every connection that could be waiting. A destination
// cannot see what is still to come in the tunnel, so it assumes that a local side that takes nothing holds up
// others.
inline constexpr milliseconds kStall{10'000};
// When connections at a source have been open for this long and the destination has never sent a byte, the
// log says what to look at. A local service answers within a second, and failed tries to reach it
// (kConnectTries) end in a reset; a user who waits for a prompt gives up later than this.
inline constexpr milliseconds kSilence{10'000};
// How long the data that the peer sent before it ended a connection waits for a local side that takes
// nothing.
inline constexpr milliseconds kFlush{60'000};
// A client that shuts down its sending side before its last data is answered may still want that answer, but
// the tunnel has no half-close. So its connection stays this long, and again after each piece of the answer
// (a setting). Long enough for most services to begin an answer, short enough that a client that is gone does
// not keep its place for long.
inline constexpr seconds kHalfClose{2};
// After an orderly close, a local side has this long to read what is left and to close its end.
inline constexpr milliseconds kLinger{5'000};
// Bytes from a local side that are discarded meanwhile. One that sends more ignores the close, and is cut off
// as soon as it has taken everything.
inline constexpr size_t kLingerInput = 256 * 1024;
// Interval between two checks whether a local socket that is to be reset has sent everything.
inline constexpr milliseconds kSentPoll{10};
// After SIGTERM: time for accepted bytes to leave.
inline constexpr milliseconds kDrain{5'000};
// During the drain: a local side from which nothing comes for this long has sent everything.
inline constexpr milliseconds kDrainQuiet{100};
// After the drain: time for the close frame to be answered.
inline constexpr milliseconds kCloseReply{2'000};
// A child that was told to stop and is still there after this is killed.
inline constexpr milliseconds kStopChild{kDrain + kCloseReply + seconds{1}};
// At the end: the launch process has this long to end the others.
inline constexpr milliseconds kStopLauncher{2'000};
// The monitor asks each helper this often whether it answers. One that has not answered twice is killed, so
// that a helper that hangs is noticed within three times as long.
inline constexpr milliseconds kAlive{10'000};
// A child has this long from its start to say that it is in its sandbox.
inline constexpr milliseconds kChildStart{10'000};

}  // namespace localproxy::limits
