// resolve: one name lookup through libc and whatever its name services need; it holds nothing worth taking.
// Which services those are depends on the machine: calls of the common ones are marked with their module.
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <array>

#include "sandbox/policy.h"
#include "sandbox/system_files.h"

namespace localproxy::sandbox {
namespace {

constexpr uint32_t kSocketFlags = SOCK_CLOEXEC | SOCK_NONBLOCK;
// Those of the loader, of libc's tables, and of the tables that nscd shares.
constexpr uint32_t kMapDataFlags = kMapCodeFlags | MAP_ANONYMOUS | MAP_SHARED;

constexpr std::array kSystemCalls = {
    allow(SCMP_SYS(read), "resolver files, name services"),
    allow(SCMP_SYS(recvmsg), "the host to look up; netlink"),
    allow(SCMP_SYS(openat), only(2, O_RDONLY | O_CLOEXEC | O_LARGEFILE),
          "resolver files and name service modules, read only"),
    allow(SCMP_SYS(newfstatat), "whether resolv.conf has changed; sizes of files"),
    allow(SCMP_SYS(fstat), "sizes of files, with a libc that does not use newfstatat for them"),
    allow(SCMP_SYS(lseek), "resolver files"),
    allow(SCMP_SYS(pread64), "headers of name service modules"),
    allow(SCMP_SYS(mmap), only(2, PROT_READ | PROT_EXEC | kProtBti), only(3, kMapCodeFlags),
          "name service modules"),
    allow(SCMP_SYS(mmap), none_of(2, PROT_EXEC), only(3, kMapDataFlags), "their data; files that libc maps"),
    allow(SCMP_SYS(mprotect), none_of(2, PROT_EXEC), "relocations of name service modules become read-only"),
    allow(SCMP_SYS(socket), equals(0, AF_INET), equals_but(1, kSocketFlags, SOCK_DGRAM), equals(2, 0),
          "DNS servers"),
    allow(SCMP_SYS(socket), equals(0, AF_INET), equals_but(1, kSocketFlags, SOCK_STREAM), equals(2, 0),
          "DNS over TCP"),
    allow(SCMP_SYS(socket), equals(0, AF_INET6), equals_but(1, kSocketFlags, SOCK_DGRAM), equals(2, 0),
          "DNS servers"),
    allow(SCMP_SYS(socket), equals(0, AF_INET6), equals_but(1, kSocketFlags, SOCK_STREAM), equals(2, 0),
          "DNS over TCP"),
    only_with(kUnixSockets, allow(SCMP_SYS(socket), equals(0, AF_UNIX),
                                  equals_but(1, kSocketFlags, SOCK_STREAM), "nscd; resolve, mdns")),
    only_without(kUnixSockets,
                 refuse(SCMP_SYS(socket), equals(0, AF_UNIX), equals_but(1, kSocketFlags, SOCK_STREAM),
                        EAFNOSUPPORT, "libc looks for nscd, and does without")),
    only_with(kInterfaces,
              allow(SCMP_SYS(socket), equals(0, AF_NETLINK), equals_but(1, kSocketFlags, SOCK_RAW),
                    equals(2, NETLINK_ROUTE), "myhostname: this machine's addresses")),
    only_without(kInterfaces,
                 refuse(SCMP_SYS(socket), equals(0, AF_NETLINK), equals_but(1, kSocketFlags, SOCK_RAW),
                        equals(2, NETLINK_ROUTE), EAFNOSUPPORT,
                        "libc looks for address families, and takes both for present")),
    allow(SCMP_SYS(bind), "DNS, with musl; the netlink socket"),
    allow(SCMP_SYS(connect), "DNS servers; the route to each answer"),
    allow(SCMP_SYS(getsockname), "the route to each answer"),
    allow(SCMP_SYS(getsockopt), equals(1, SOL_SOCKET), equals(2, SO_PROTOCOL), "myhostname"),
    allow(SCMP_SYS(getsockopt), equals(1, SOL_NETLINK), equals(2, NETLINK_LIST_MEMBERSHIPS), "myhostname"),
    allow(SCMP_SYS(setsockopt), equals(1, IPPROTO_IP), equals(2, IP_RECVERR), "error reports of DNS servers"),
    allow(SCMP_SYS(setsockopt), equals(1, IPPROTO_IPV6), equals(2, IPV6_RECVERR),
          "error reports of DNS servers"),
    allow(SCMP_SYS(setsockopt), equals(1, SOL_NETLINK), equals(2, NETLINK_EXT_ACK), "myhostname"),
    allow(SCMP_SYS(setsockopt), equals(1, SOL_NETLINK), equals(2, NETLINK_GET_STRICT_CHK), "myhostname"),
    allow(SCMP_SYS(setsockopt), equals(1, SOL_NETLINK), equals(2, NETLINK_PKTINFO), "myhostname"),
    allow(SCMP_SYS(sendto), only(3, MSG_NOSIGNAL | MSG_DONTWAIT), "DNS; netlink; resolve"),
    allow(SCMP_SYS(sendmmsg), only(3, MSG_NOSIGNAL), "DNS: A and AAAA in one call"),
    allow(SCMP_SYS(recvfrom), only(3, MSG_DONTWAIT | MSG_TRUNC), "messages of the monitor; DNS; resolve"),
    allow(SCMP_SYS(writev), "DNS over TCP"),
    allow(SCMP_SYS(poll), "waiting for a DNS server"),
    allow(SCMP_SYS(ppoll), "resolve, myhostname: waiting; all, on architectures without poll"),
    allow(SCMP_SYS(restart_syscall), "the kernel resumes a poll after a stop"),
    allow(SCMP_SYS(ioctl), equals(1, FIONREAD), "size of a DNS answer"),
    allow(SCMP_SYS(fcntl), equals(1, F_GETFD), "mdns: its socket becomes close-on-exec"),
    allow(SCMP_SYS(fcntl), equals(1, F_SETFD), "mdns: its socket becomes close-on-exec"),
    allow(SCMP_SYS(fcntl), equals(1, F_GETFL), "mdns: its socket becomes a stream of libc"),
    allow(SCMP_SYS(rt_sigprocmask), "resolve, mymachines, myhostname: no signal in between"),
    allow(SCMP_SYS(prctl), equals(0, PR_CAPBSET_READ), "mymachines, myhostname: the number of capabilities"),
    allow(SCMP_SYS(getrandom), "resolve, myhostname: seeds of hash tables"),
    allow(SCMP_SYS(getpid), "resolve, myhostname: detect forks"),
    allow(SCMP_SYS(uname), "the local host name"),
};

// The files themselves, wherever they are now: each lookup has a process of its own.
constexpr std::array kFiles = {
    "/etc/resolv.conf",    // DNS servers
    "/etc/hosts",          // names of this machine and its neighbours
    "/etc/nsswitch.conf",  // which name services are asked
    "/etc/host.conf",      // how libc asks them
    "/etc/gai.conf",       // in which order addresses come
    "/etc/services",       // names of ports
    "/etc/mdns.allow",     // mdns: domains that it looks up
    "/etc/ld.so.cache",    // where the modules are
};

// Files and sockets of local resolvers.
constexpr std::array kDirectories = {
    "/run/systemd/resolve",   // systemd-resolved: resolv.conf and its socket
    "/run/resolvconf",        // resolvconf: resolv.conf
    "/run/NetworkManager",    // NetworkManager: resolv.conf
    "/run/nscd",              // nscd: its socket and its tables
    "/run/systemd/machines",  // mymachines: containers
};

// Directories of the sockets of local resolvers: a resolver that is started again makes a new socket.
constexpr std::array kSocketDirectories = {
    "/run/systemd/resolve",  // systemd-resolved
    "/run/nscd",             // nscd
    "/run/avahi-daemon",     // avahi, for mdns
};

constexpr std::array kSystemDirectories = {
    "/usr/etc",    // the system's defaults for files in /etc
    "/usr/lib",    // modules and their libraries
    "/lib",        // as /usr/lib
    "/lib64",      // as /usr/lib, of 64-bit systems
    "/usr/lib64",  // as /usr/lib, of 64-bit systems
};

LandlockRules landlock_rules(const PolicyInputs&) {
  LandlockRules rules;
  append(rules.read, kFiles);
  append(rules.read, kSystemDirectories);
  append(rules.read, kDirectories);
  append(rules.read, library_directories());  // modules and their libraries, where /etc/ld.so.conf has more
  rules.connect_ports = {kDnsPort};           // DNS over TCP
  rules.connect_sockets = name_service_sockets();
  return rules;
}

}  // namespace

std::vector<std::string> name_service_files() {
  return {kFiles.begin(), kFiles.end()};
}

std::vector<std::string> name_service_sockets() {
  return {kSocketDirectories.begin(), kSocketDirectories.end()};
}

std::vector<std::string> name_service_directories() {
  return {kDirectories.begin(), kDirectories.end()};
}

const Policy kResolvePolicy{
    .role = "resolve",
    .system_calls = kSystemCalls,
    .landlock = landlock_rules,
    .namespaces = false,       // it asks DNS servers in the system's network, and reads the system's files
    .may_fork = false,         // it starts nothing
    .may_write_files = false,  // it writes to sockets
};

}  // namespace localproxy::sandbox
