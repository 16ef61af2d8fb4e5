// resolve: one name lookup through libc and whatever its name services need; it holds nothing worth taking.
#include <fcntl.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <array>

#include "sandbox/policy.h"

namespace localproxy::sandbox {
namespace {

constexpr std::array kRules = {
    allow(SCMP_SYS(read), "resolver files, name services"),
    allow(SCMP_SYS(recvmsg), "the host to look up; netlink"),
    allow(SCMP_SYS(openat),
          only(2, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW),
          "resolver files and name service modules, read only"),
    allow(SCMP_SYS(newfstatat), "has resolv.conf changed"),
    allow(SCMP_SYS(fstat), "sizes of files"),
    allow(SCMP_SYS(statx), "has resolv.conf changed, on newer libc"),
    allow(SCMP_SYS(lseek), "resolver files"),
    allow(SCMP_SYS(pread64), "headers of name service modules"),
    allow(SCMP_SYS(getdents64), "resolver directories"),
    allow(SCMP_SYS(access), "does a resolver file exist"),
    allow(SCMP_SYS(readlink), "resolver files that are links"),
    allow(SCMP_SYS(mmap), only(2, PROT_READ | PROT_EXEC), "name service modules"),
    allow(SCMP_SYS(mprotect), none_of(2, PROT_EXEC), "relocations of name service modules become read-only"),
    allow(SCMP_SYS(socket), equals(0, AF_INET), "DNS servers"),
    allow(SCMP_SYS(socket), equals(0, AF_INET6), "DNS servers"),
    allow(SCMP_SYS(socket), equals(0, AF_UNIX), "nscd, systemd-resolved"),
    allow(SCMP_SYS(socket), equals(0, AF_NETLINK), "which address families this machine has"),
    allow(SCMP_SYS(bind), "the netlink socket; addresses are sorted by it"),
    allow(SCMP_SYS(connect), "DNS servers; the route to each answer"),
    allow(SCMP_SYS(getsockname), "the route to each answer"),
    allow(SCMP_SYS(getpeername), "TCP to a DNS server"),
    allow(SCMP_SYS(getsockopt), "the state of a DNS socket"),
    allow(SCMP_SYS(setsockopt), equals(1, IPPROTO_IP), "error reports of DNS servers"),
    allow(SCMP_SYS(setsockopt), equals(1, IPPROTO_IPV6), "error reports of DNS servers"),
    allow(SCMP_SYS(setsockopt), equals(1, SOL_SOCKET), "systemd-resolved"),
    allow(SCMP_SYS(sendto), "DNS"),
    allow(SCMP_SYS(sendmsg), "DNS"),
    allow(SCMP_SYS(sendmmsg), "DNS: A and AAAA in one call"),
    allow(SCMP_SYS(recvfrom), "DNS"),
    allow(SCMP_SYS(writev), "DNS over TCP"),
    allow(SCMP_SYS(poll), "waiting for a DNS server"),
    allow(SCMP_SYS(ppoll), "waiting for systemd-resolved"),
    allow(SCMP_SYS(ioctl), equals(1, FIONREAD), "size of a DNS answer"),
    allow(SCMP_SYS(fcntl), equals(1, F_SETFL), "sockets become non-blocking"),
    allow(SCMP_SYS(fcntl), equals(1, F_SETFD), "resolver files are close-on-exec"),
    allow(SCMP_SYS(fcntl), equals(1, F_GETFD), "resolver files are close-on-exec"),
    allow(SCMP_SYS(uname), "the local host name"),
    allow(SCMP_SYS(rt_sigaction), "name service modules"),
    allow(SCMP_SYS(geteuid), "name service modules"),
    allow(SCMP_SYS(getuid), "name service modules"),
    allow(SCMP_SYS(gettid), "name service modules"),
    allow(SCMP_SYS(clock_nanosleep), "between two tries"),
};

}  // namespace

const Policy kResolvePolicy{.role = "resolve", .rules = kRules};

}  // namespace localproxy::sandbox
