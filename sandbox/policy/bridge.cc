// bridge: bytes between local sockets and channels. It accepts on the listeners that it was handed and makes
// pipes and socketpairs; it cannot make any other socket, open a file or run anything.
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>

#include "sandbox/policy.h"

namespace localproxy::sandbox {
namespace {

constexpr std::array kSystemCalls = {
    allow(SCMP_SYS(read), "drains a local socket that is being closed"),
    allow(SCMP_SYS(recvmsg), equals(2, MSG_CMSG_CLOEXEC),
          "messages of the other processes, with descriptors"),
    allow(SCMP_SYS(shutdown), equals(1, SHUT_WR), "orderly end of a stream"),
    allow(SCMP_SYS(accept4), equals(3, SOCK_CLOEXEC | SOCK_NONBLOCK), "local clients of a source"),
    allow(SCMP_SYS(socketpair), equals(0, AF_UNIX), only(1, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK),
          "a connection's channel into the tunnel"),
    allow(SCMP_SYS(pipe2), equals(1, O_CLOEXEC | O_NONBLOCK),
          "a connection's channel out of the tunnel; splice between sockets goes through a pipe"),
    allow(SCMP_SYS(fcntl), equals(1, F_SETPIPE_SZ),
          "a small pipe while idle, a large one for bulk transfers"),
    allow(SCMP_SYS(splice), equals(5, SPLICE_F_MOVE | SPLICE_F_NONBLOCK),
          "bytes between a local socket and its channel"),
    allow(SCMP_SYS(ioctl), equals(1, FIONREAD),
          "how much a channel holds: TCP delays the end of a splice that asks for more (bridge/pump.cc)"),
    allow(SCMP_SYS(sendmsg), equals(2, MSG_NOSIGNAL), "a channel's other ends go to net"),
    allow(SCMP_SYS(ioctl), equals(1, SIOCOUTQ),
          "whether a local side has received everything, before it is reset"),
    allow(SCMP_SYS(setsockopt), equals(1, SOL_SOCKET), equals(2, SO_LINGER),
          "a broken tunnel resets its local sockets"),
    allow(SCMP_SYS(setsockopt), equals(1, IPPROTO_TCP), equals(2, TCP_NODELAY), "keystrokes leave at once"),
};

}  // namespace

const Policy kBridgePolicy{
    .role = "bridge",
    .system_calls = kSystemCalls,
    .landlock = reach_nothing,  // it gets listeners and dialled sockets as descriptors
    .namespaces = true,         // no network and an empty root, behind a filter that refuses both
    .may_fork = false,          // it starts nothing
    .may_write_files = false,   // it writes to sockets and pipes
};

}  // namespace localproxy::sandbox
