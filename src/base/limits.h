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

// The largest stream or connection id that we make; the next one is 1. AWS's client library, which is in its
// device SDKs, cannot encode a number of 2^28 or more: every answer fails there, without a word to us.
inline constexpr uint32_t kMaxId = (1U << 27) - 1;
// The first stream of a tunnel connection has a random id up to this one, so that what is late of the last
// tunnel connection is stale in the next; far enough below kMaxId for none to start over in practice.
inline constexpr uint32_t kMaxFirstStreamId = 1U << 24;

// ---- tokens ----

// What the rest of the upgrade request leaves at the most; whether one fits depends on the host name too, and
// net knows when it writes the request.
inline constexpr size_t kMaxAccessToken = kMaxUpgradeRequest - 300;
inline constexpr size_t kMinClientToken = 32;
inline constexpr size_t kMaxClientToken = 128;

// ---- memory ----

// Bytes of framed output that net keeps for the tunnel before it stops reading channels. Room for two full
// messages, so that the next one is being framed while the last is written.
inline constexpr size_t kTunnelOutputBudget = 2 * (kMaxPayload + 512);
// Bytes that wait unsent in the socket of the tunnel, or of a local service that was dialled: enough to keep
// it busy, few enough for a keystroke not to wait long, and for the progress of a slow local service to be
// seen in time (kStall). The kernel's own measure is a third of a buffer that may have megabytes.
inline constexpr int kUnsent = 64 * 1024;
// Bytes of the tunnel's receive buffer. Without it the kernel keeps megabytes for a local side that is slow,
// and all other connections wait behind them. The service gives an account 800 kB a second (its guide, "Using
// simultaneous TCP connections"), which this is enough for at a round trip of 300 ms; at 50 ms it is enough
// for 5 MB a second.
inline constexpr int kTunnelReceive = 256 * 1024;
// Bytes in one read that make a connection one of much traffic: others overtake it.
inline constexpr size_t kBulkRead = 4 * 1024;
// Bytes of tunnel data that net keeps for one connection whose channel is full before it stops reading the
// tunnel.
inline constexpr size_t kConnectionBacklog = 128 * 1024;
// Bytes of a pipe as the kernel makes it (pipe(7)).
inline constexpr size_t kPipe = 64 * 1024;
// Bytes of a pipe through which much passes. Every splice wakes the process at the other end, which is most
// of what moving bytes costs; from four times the size on it is no longer. All pipes of a user have 64 MiB
// together before the kernel makes them smaller (pipe-user-pages-soft), so only those that need it get as
// much.
inline constexpr size_t kBulkPipe = 256 * 1024;
// Bytes in one splice that make a pipe one of those.
inline constexpr size_t kBulkSplice = 16 * 1024;
// Bytes that are moved one way on one connection before others get their turn.
inline constexpr size_t kPumpTurn = kPipe;
// Empty pipes that the bridge keeps for the next transfer. One is enough where nobody is slow.
inline constexpr size_t kMaxIdlePipes = 4;
// Messages that wait in one internal channel because its reader is busy; more ends the sender.
inline constexpr size_t kMaxQueuedIpcMessages = 4'096;
// Characters of one log line; the rest is cut.
inline constexpr size_t kMaxLogLine = 1'024;

// Log lines of one process that the monitor writes: a second, and at once. A tunnel that opens a thousand
// connections a second stays below; a process that was taken over must not fill the disk.
inline constexpr unsigned kLogLinesPerSecond = 5'000;
inline constexpr unsigned kLogLinesAtOnce = 20'000;

// Bytes of log lines that wait for the reader of standard error: a burst of some ten thousand.
inline constexpr size_t kLogWaiting = 1024 * 1024;
// Between two looks at whether there is room for them.
inline constexpr milliseconds kLogRetry{100};
// At the end they wait this long at most.
inline constexpr milliseconds kLogFlush{1'000};
// A write to a standard error that could not be made non-blocking is interrupted after this.
inline constexpr seconds kLogWrite{2};

// So long after its last connection net gives back to the system what it does not use.
inline constexpr milliseconds kTrim{1'000};

// ---- connections ----

// Dials that the bridge may ask for: a second, and at once. More fail: a process that was taken over must not
// use the monitor to flood a local service.
inline constexpr unsigned kDialsPerSecond = 5'000;
inline constexpr unsigned kDialsAtOnce = 10'000;

// Connections at once on one service (the reference's default).
inline constexpr uint32_t kMaxConnectionsPerService = 128;
// The most that a setting may raise it to: descriptors are finite.
inline constexpr uint32_t kMaxConnectionsSetting = 16'384;
// Connections that the kernel completes before we accept them.
inline constexpr int kListenBacklog = 128;
// No accepting for this long after the system had no descriptor or memory for a connection, unless one ends.
inline constexpr milliseconds kAcceptPause{1'000};
// Descriptors that a process must be allowed, and two more for each service. A source was seen to work with
// 28 and those; a lookup takes 4 for a moment, and the rest lets some connections be dialled and carried at
// once.
inline constexpr size_t kLeastDescriptors = 64;
// Between two tries to pass a descriptor on, or to get a pipe, when the kernel had none left. Often enough
// for nobody to notice the moment when it has one again; too seldom to cost anything.
inline constexpr milliseconds kShortageRetry{100};

// ---- certificates ----

// Directories of -c and of SSL_CERT_DIR together.
inline constexpr size_t kMaxCaPaths = 8;

// ---- time ----

// Between WebSocket pings (the reference's default); the service cuts what is idle for a minute.
inline constexpr milliseconds kPingPeriod{5'000};
// Without any byte from the service for this long, once it has answered a ping, the connection is taken for
// dead.
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
// A tunnel that was up for this long starts again from the first delay.
inline constexpr milliseconds kBackoffForget{30'000};
// Tries to reach a local service, and the time between two (the reference's defaults).
inline constexpr int kConnectTries = 5;
inline constexpr milliseconds kConnectRetryDelay{2'500};
// A connection whose full backlog has kept the whole tunnel waiting this long is reset (a setting). At a
// source only while others are open, since it sees every connection that could wait; a destination cannot see
// what the tunnel still brings, so there a local side that takes nothing is always in somebody's way.
inline constexpr milliseconds kStall{10'000};
// Connections that were open for so long at a source without one byte of a destination that has sent none
// before: the log says what to look at. A local service answers within the second, and its tries to be
// reached (kConnectTries) end in a reset; somebody who waits for a prompt gives up after more.
inline constexpr milliseconds kSilence{10'000};
// What the peer sent before it ended a connection waits this long for a local side that takes nothing.
inline constexpr milliseconds kFlush{60'000};
// A client that has ended its sending side without an answer to what it sent last may still want one, and the
// tunnel has no half-close: it is waited for, and again after each piece of it (a setting). Long enough for
// most services to begin with an answer, short enough for a client that is gone not to keep its place for
// long.
inline constexpr seconds kHalfClose{2};
// A local socket that was closed in order may take this long to take what is left, and to close its side.
inline constexpr milliseconds kLinger{5'000};
// Bytes of a local side that are dropped meanwhile. One that sends more does not care for the end, and is
// closed as soon as it has taken everything.
inline constexpr size_t kLingerInput = 256 * 1024;
// Between two looks at whether a local socket that is to be reset has sent everything.
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
// A child has this long from its start to say that it is in its sandbox.
inline constexpr milliseconds kChildStart{10'000};

}  // namespace localproxy::limits
