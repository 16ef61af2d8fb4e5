// Every limit of the stand-in service, each with its unit and its reason.
//
// The protocol's numbers are repeated here on purpose: the service must not agree with the proxy just because
// both include the same header.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace localproxy::service::bounds {

using std::chrono::milliseconds;

// ---- protocol ----

// Bytes of payload in a DATA message: 63 KiB.
inline constexpr size_t kPayload = 63 * 1024;
// Bytes of one tunnel frame: two bytes of length and the largest message that they can describe.
inline constexpr size_t kTunnelFrame = 2 + 0xffff;
// Bytes of payload of one WebSocket frame.
inline constexpr size_t kWebSocketPayload = 131'076;
// Bytes of the largest WebSocket header: two, eight of length, four of mask.
inline constexpr size_t kWebSocketHeader = 14;
// Bytes of payload of a control frame (RFC 6455, 5.5).
inline constexpr size_t kControlPayload = 125;
// Bytes of the whole upgrade request.
inline constexpr size_t kRequest = 4'096;
// Upper bound (exclusive) of stream and connection ids: 2^28, the first number that AWS's client library
// cannot encode.
inline constexpr uint32_t kIds = 1U << 28;
// Characters of a service id, and of a client token.
inline constexpr size_t kServiceId = 128;
inline constexpr size_t kClientTokenLeast = 32;
inline constexpr size_t kClientTokenMost = 128;
// Services of one tunnel: far above every known quota.
inline constexpr size_t kServices = 64;
// Open connections of one stream that are kept track of.
inline constexpr size_t kConnections = 65'536;

// ---- tokens ----

// Random bytes of an access token; in base64 they are 256 characters, about the length of real tokens.
inline constexpr size_t kTokenBytes = 192;

// ---- memory ----

// Bytes that must be writable in front of an outgoing tunnel frame: room for a WebSocket header.
inline constexpr size_t kHeadRoom = 16;
// Bytes queued for one proxy above which the other is not read, and below which it is read again.
inline constexpr size_t kOutputStop = 128 * 1024;
inline constexpr size_t kOutputGo = kOutputStop / 2;
// Queued bytes above which they are sent before the end of the batch: enough for the kernel's largest
// segments, few enough to be still in the cache.
inline constexpr size_t kFlushAt = 128 * 1024;
// Frames of this size and above are encrypted in place; smaller ones are gathered into a record.
inline constexpr size_t kGatherBelow = 8 * 1024;
// Bytes of ciphertext that OpenSSL takes from the kernel at once.
inline constexpr size_t kTlsReadAhead = 64 * 1024;
// Bytes of plain text in one TLS record, and so the most that one SSL_read returns.
inline constexpr size_t kTlsRecord = 16 * 1024;
// Bytes of one proxy's input buffer: the largest WebSocket frame and a record.
inline constexpr size_t kInput = 160 * 1024;
// Kernel buffer sizes, for bytes unsent to one proxy and unread from the other. Small, because the benchmark
// measures the queues of the proxies, and a real service has no reason to buffer megabytes of a tunnel.
inline constexpr int kUnsent = 64 * 1024;
inline constexpr int kReceive = 128 * 1024;
// Bytes that are read from one proxy before the others get their turn.
inline constexpr size_t kReadBudget = 64 * 1024;
// Bytes of one line on the control socket; inject_raw carries two hexadecimal digits a byte.
inline constexpr size_t kControlLine = 8 * 1024 * 1024;
// Entries kept in the lists of breaches, refusals and recorded messages.
inline constexpr size_t kJournal = 1'000;
inline constexpr size_t kRecorded = 100'000;

// ---- time ----

// From accept() to the end of the upgrade.
inline constexpr milliseconds kNegotiation{20'000};
// A connection without a byte in either direction for this long is cut.
inline constexpr milliseconds kIdle{60'000};
// For the answer to a close frame, and then for the end of the TCP connection.
inline constexpr milliseconds kCloseReply{2'000};
inline constexpr milliseconds kLinger{1'000};
// Between two bytes of the response head under the fault "slow-head".
inline constexpr milliseconds kDrip{2};
// The longest that "split" may hold bytes back to join them with more.
inline constexpr milliseconds kHoldMost{10'000};
// The longest that a "wait" may take.
inline constexpr milliseconds kWaitMost{120'000};

}  // namespace localproxy::service::bounds
