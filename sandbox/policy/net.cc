// net: TLS, WebSocket and protobuf on the descriptors that it was handed. It makes none, opens none, runs
// nothing.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <array>

#include "sandbox/policy.h"

namespace localproxy::sandbox {
namespace {

// From <linux/mman.h> of Linux 6.11.
constexpr uint32_t kMapDroppable = 0x08;

constexpr std::array kSystemCalls = {
    allow(SCMP_SYS(read), "the tunnel, channels of connections"),
    allow(SCMP_SYS(recvmsg), equals(2, MSG_CMSG_CLOEXEC),
          "messages of the other processes, with descriptors"),
    allow(SCMP_SYS(getsockopt), equals(1, IPPROTO_TCP), equals(2, TCP_INFO),
          "whether the service's system still answers"),
    allow(SCMP_SYS(getpid), "OpenSSL detects forks"),
    allow(SCMP_SYS(getrandom), equals(2, 0), "OpenSSL reseeds its generator after an hour"),
    allow(SCMP_SYS(mmap), equals(2, PROT_READ | PROT_WRITE), equals(3, kMapDroppable | MAP_ANONYMOUS),
          "the state of libc's getrandom(), where the vDSO answers that (glibc 2.41, Linux 6.11)"),
    allow(SCMP_SYS(rt_sigprocmask), "no signal while that state is made"),
};

}  // namespace

const Policy kNetPolicy{
    .role = "net",
    .system_calls = kSystemCalls,
    .landlock =
        reach_nothing,         // it has loaded its certificates, and gets the tunnel's socket as a descriptor
    .namespaces = true,        // no network and an empty root, behind a filter that refuses both
    .may_fork = false,         // it starts nothing
    .may_write_files = false,  // it writes to sockets
};

}  // namespace localproxy::sandbox
