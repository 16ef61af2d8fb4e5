// net: TLS, WebSocket and protobuf on the descriptors that it was handed. It makes none, opens none, runs
// nothing.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <sys/socket.h>

#include <array>

#include "sandbox/policy.h"

namespace localproxy::sandbox {
namespace {

constexpr std::array kRules = {
    allow(SCMP_SYS(read), "the tunnel, channels of connections"),
    allow(SCMP_SYS(recvmsg), "messages of the other processes, with descriptors"),
    allow(SCMP_SYS(shutdown), "orderly end of a stream"),
    allow(SCMP_SYS(getsockopt), equals(1, SOL_SOCKET), equals(2, SO_ERROR), "why the tunnel's socket broke"),
    allow(SCMP_SYS(getsockopt), equals(1, IPPROTO_TCP), equals(2, TCP_INFO),
          "whether the service's system still answers"),
};

}  // namespace

const Policy kNetPolicy{.role = "net", .rules = kRules, .namespaces = true};

}  // namespace localproxy::sandbox
