// monitor: binds, dials and supervises. It can receive nothing from a socket that it dialled or accepted: the
// only way to receive is recvfrom() with MSG_TRUNC, which gives the message of a UNIX socket's other end, and
// nothing at all of a TCP stream (tcp(7)). It starts nothing, makes no memory executable, signals nobody.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <sys/socket.h>

#include <array>

#include "sandbox/policy.h"

namespace localproxy::sandbox {
namespace {

constexpr uint32_t kSocketFlags = SOCK_CLOEXEC | SOCK_NONBLOCK;

constexpr std::array kSystemCalls = {
    allow(SCMP_SYS(recvfrom), equals(3, MSG_TRUNC), "messages of the other processes"),
    allow(SCMP_SYS(sendmsg), equals(2, MSG_NOSIGNAL), "descriptors go to the other processes"),
    allow(SCMP_SYS(sendmsg), equals(2, MSG_NOSIGNAL | MSG_DONTWAIT),
          "log lines, if standard error is a socket: does not wait for its reader"),
    allow(SCMP_SYS(socketpair), equals(0, AF_UNIX), equals(1, SOCK_SEQPACKET | kSocketFlags),
          "channels between the processes"),
    // Dialling and listening.
    allow(SCMP_SYS(socket), equals(0, AF_INET), equals(1, SOCK_STREAM | kSocketFlags), equals(2, 0),
          "the tunnel, local services, listeners"),
    allow(SCMP_SYS(socket), equals(0, AF_INET6), equals(1, SOCK_STREAM | kSocketFlags), equals(2, 0),
          "the tunnel, local services, listeners"),
    only_with(kUnixSockets, allow(SCMP_SYS(socket), equals(0, AF_UNIX), equals(1, SOCK_STREAM | kSocketFlags),
                                  equals(2, 0), "local services and late listeners on a path")),
    allow(SCMP_SYS(connect), "the tunnel, local services; Landlock has the ports"),
    allow(SCMP_SYS(bind), "listeners, the local address to connect from; Landlock has the ports"),
    allow(SCMP_SYS(listen), "listeners, once the tunnel is up"),
    allow(SCMP_SYS(getsockname), "which free port a listener got"),
    allow(SCMP_SYS(getsockopt), equals(1, SOL_SOCKET), equals(2, SO_ERROR), "the result of a connect"),
    allow(SCMP_SYS(setsockopt), equals(1, SOL_SOCKET), equals(2, SO_REUSEADDR),
          "a listener comes back after a restart"),
    allow(SCMP_SYS(setsockopt), equals(1, IPPROTO_IPV6), equals(2, IPV6_V6ONLY),
          "one listener for each address family"),
    allow(SCMP_SYS(setsockopt), equals(1, IPPROTO_TCP), equals(2, TCP_NODELAY), "keystrokes leave at once"),
    allow(SCMP_SYS(setsockopt), equals(1, SOL_SOCKET), equals(2, SO_RCVBUF),
          "a slow local side does not queue megabytes"),
    allow(SCMP_SYS(setsockopt), equals(1, IPPROTO_TCP), equals(2, TCP_NOTSENT_LOWAT),
          "keeps the unsent queue short"),
    // UNIX sockets of listeners.
    allow(SCMP_SYS(umask), "only this user may connect to them"),
    allow(SCMP_SYS(newfstatat), "whether one is stale, or still ours"),
    allow(SCMP_SYS(unlink), "removed at the end, stale ones at the start"),
    allow(SCMP_SYS(unlinkat), equals(2, 0), "the same, on architectures without unlink"),
    allow(SCMP_SYS(geteuid), "whether a stale one belongs to this user"),
    // The token is read again after SIGHUP.
    allow(SCMP_SYS(openat), equals_but(2, O_LARGEFILE, O_RDONLY | O_CLOEXEC | O_NOCTTY),
          "the token file; Landlock has the directory"),
    allow(SCMP_SYS(fstat), "the token file, with a libc that does not use newfstatat for it"),
    allow(SCMP_SYS(pread64), "the token file; pread works only on files"),
    // Signals and the end.
    allow(SCMP_SYS(rt_sigreturn), "end of a signal handler"),
    allow(SCMP_SYS(rt_sigprocmask), "unblocks signals that waited for the start"),
    allow(SCMP_SYS(wait4), "how the launch process ended"),
    allow(SCMP_SYS(rt_sigaction), "signals are ignored while it ends"),
    allow(SCMP_SYS(fcntl), equals(1, F_SETFL), "restores the flags of standard input and output"),
};

LandlockRules landlock_rules(const PolicyInputs& inputs) {
  LandlockRules rules;
  // The token is read again after SIGHUP; the directory, since a new file is often renamed over the old one.
  if (!inputs.token_directory.empty()) rules.read = {inputs.token_directory};
  rules.make_sockets = inputs.socket_directories;            // listeners on a path, removed at the end
  rules.connect_sockets = inputs.target_sockets;             // local services on a path
  append(rules.connect_sockets, inputs.socket_directories);  // whether a listener on a path is stale
  rules.connect_ports = inputs.connect_ports;                // the service or the web proxy, local services
  rules.bind_ports = {0};                       // free ports: a source without a map, and -b of a destination
  append(rules.bind_ports, inputs.bind_ports);  // listeners
  // launch, which is not in its domain, must get the death signal (PR_SET_PDEATHSIG). The filter has no call
  // that sends a signal.
  rules.scope_signals = false;
  return rules;
}

}  // namespace

const Policy kMonitorPolicy{
    .role = "monitor",
    .system_calls = kSystemCalls,
    .landlock = landlock_rules,
    .namespaces = false,      // it dials and binds in the system's network
    .may_fork = false,        // launch starts the helpers
    .may_write_files = true,  // its standard error may be a file
};

}  // namespace localproxy::sandbox
