// net: TLS, WebSocket and protobuf on the descriptors that it was handed. It makes none, opens none, runs
// nothing.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>

#include <array>

#include "sandbox/policy.h"

namespace localproxy::sandbox {
namespace {

constexpr std::array kRules = {
    allow(SCMP_SYS(read), "the tunnel, channels of connections"),
    allow(SCMP_SYS(recvmsg), "messages of the other processes, with descriptors"),
    allow(SCMP_SYS(getsockopt), equals(1, IPPROTO_TCP), equals(2, TCP_INFO),
          "whether the service's system still answers"),
    allow(SCMP_SYS(getpid), "OpenSSL notices forks"),
    allow(SCMP_SYS(getrandom), "OpenSSL seeds its random numbers again after an hour"),
};

}  // namespace

const Policy kNetPolicy{.role = "net", .rules = kRules, .namespaces = true};

}  // namespace localproxy::sandbox
