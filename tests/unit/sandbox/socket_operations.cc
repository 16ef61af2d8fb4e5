// Operations on sockets of every family, and ways around a missing connect().
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/sandbox/operations.h"

namespace localproxy::sandbox::test {
namespace {

constexpr int kPorts = 4;  // the Landlock ABI that introduced them
constexpr int kFlags = SOCK_CLOEXEC | SOCK_NONBLOCK;
constexpr unsigned kMove = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;

sockaddr_in loopback(unsigned short port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

long connect_to(int socket, unsigned short port) {
  const sockaddr_in to = loopback(port);
  return ::connect(socket, reinterpret_cast<const sockaddr*>(&to), sizeof to);
}

long send_to(int socket, const World& w, int flags) {
  const sockaddr_in to = loopback(w.port);
  return ::sendto(socket, "x", 1, flags, reinterpret_cast<const sockaddr*>(&to), sizeof to);
}

long send_message(int socket, const World& w, int flags) {
  sockaddr_in to = loopback(w.port);
  iovec data{const_cast<char*>("x"), 1};
  msghdr message{};
  message.msg_name = &to;
  message.msg_namelen = sizeof to;
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  return ::sendmsg(socket, &message, flags);
}

// A message that carries the file's descriptor.
long send_descriptor(const World& w) {
  iovec data{const_cast<char*>("x"), 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* const head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof(int));
  *reinterpret_cast<int*>(CMSG_DATA(head)) = w.file;
  return ::sendmsg(w.datagrams, &message, MSG_NOSIGNAL);
}

long send_many(const World& w) {
  mmsghdr messages[1] = {};
  return ::syscall(SYS_sendmmsg, w.tcp, messages, 1, 0);
}

long receive(int socket, int flags) {
  char byte = 0;
  return ::recv(socket, &byte, 1, flags);
}

// With MSG_TRUNC, TCP discards the bytes: the call may succeed, but must return no data.
long receive_bytes_by_trunc(const World& w) {
  char bytes[8] = {};
  if (::recv(w.tcp, bytes, sizeof bytes, MSG_TRUNC) < 0) return -1;
  errno = ENODATA;
  return bytes[0] == 0 ? -1 : 0;
}

long receive_message(const World& w, int flags) {
  char byte = 0;
  iovec data{&byte, 1};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  return ::recvmsg(w.tcp, &message, flags);
}

long set(int socket, int level, int name, int value) {
  return ::setsockopt(socket, level, name, &value, sizeof value);
}

long bind_to(int family) {
  sockaddr_storage address{};
  address.ss_family = static_cast<sa_family_t>(family);
  const int socket = ::socket(family, SOCK_STREAM | kFlags, 0);
  return socket < 0 ? -1 : ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof(sockaddr_in));
}

long bind_high_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | kFlags, 0);
  const sockaddr_in here = loopback(40'999);
  return socket < 0 ? -1 : ::bind(socket, reinterpret_cast<const sockaddr*>(&here), sizeof here);
}

long connect_to_path(int socket, const World& w) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  w.path.copy(to.sun_path, sizeof to.sun_path - 1);
  return ::connect(socket, reinterpret_cast<const sockaddr*>(&to), sizeof to);
}

// An end of a pair whose other end is gone.
long connect_half_of_pair(const World& w) {
  int pair[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | kFlags, 0, pair) != 0) return -1;
  ::close(pair[1]);
  return connect_to_path(pair[0], w);
}

constexpr Operation kSocketOperations[] = {
    // name, attempt, monitor, launch, net, bridge, resolve
    {"a TCP socket", TRY(::socket(AF_INET, SOCK_STREAM | kFlags, 0)), kDone, kDone, K, K, kDone},
    {"a TCP socket of IPv6", TRY(::socket(AF_INET6, SOCK_STREAM | kFlags, 0)), kDone, kDone, K, K, kDone},
    {"a socket of another protocol", TRY(::socket(AF_INET, SOCK_STREAM | kFlags, IPPROTO_SCTP)), K, K, K, K, K},
    {"a UDP socket", TRY(::socket(AF_INET, SOCK_DGRAM, 0)), K, kDone, K, K, kDone},
    {"a UDP socket of IPv6", TRY(::socket(AF_INET6, SOCK_DGRAM, 0)), K, kDone, K, K, kDone},
    {"a raw socket", TRY(::socket(AF_INET, SOCK_RAW, IPPROTO_ICMP)), K, K, K, K, K},
    {"a raw socket of IPv6", TRY(::socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6)), K, K, K, K, K},
    {"a ping socket", TRY(::socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP)), K, K, K, K, K},
    {"a UNIX socket", TRY(::socket(AF_UNIX, SOCK_STREAM | kFlags, 0)), K, EAFNOSUPPORT, K, K, EAFNOSUPPORT},
    {"connect to another program's UNIX socket", TRY(connect_to_path(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), w)), K, EBADF, K, K, EBADF},
    {"connect half of a pair to a UNIX socket", TRY(connect_half_of_pair(w)), K, EISCONN, K, K, K},
    {"a UNIX datagram socket", TRY(::socket(AF_UNIX, SOCK_DGRAM, 0)), K, K, K, K, K},
    {"a route socket", TRY(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0)), K, EAFNOSUPPORT, K, K, EAFNOSUPPORT},
    {"a netlink socket of another protocol", TRY(::socket(AF_NETLINK, SOCK_RAW, 12)), K, K, K, K, K},
    {"a packet socket", TRY(::socket(AF_PACKET, SOCK_RAW, 0)), K, K, K, K, K},
    {"a socket to the hypervisor", TRY(::socket(AF_VSOCK, SOCK_STREAM, 0)), K, K, K, K, K},
    {"a socket to the kernel's ciphers", TRY(::socket(AF_ALG, SOCK_SEQPACKET, 0)), K, K, K, K, K},
    {"a Bluetooth socket", TRY(::socket(AF_BLUETOOTH, SOCK_STREAM, 0)), K, K, K, K, K},
    {"a key management socket", TRY(::socket(AF_KEY, SOCK_RAW, 2)), K, K, K, K, K},
    {"an XDP socket", TRY(::socket(AF_XDP, SOCK_RAW, 0)), K, K, K, K, K},
    {"a CAN socket", TRY(::socket(AF_CAN, SOCK_RAW, 1)), K, K, K, K, K},
    {"a TIPC socket", TRY(::socket(AF_TIPC, SOCK_STREAM, 0)), K, K, K, K, K},
    {"connect to a port in no table", TRY(connect_to(w.fresh_tcp, w.port)), EACCES, EACCES, K, K, EACCES, kPorts},
    {"connect a socket that was closed", TRY(connect_to(w.closed_tcp, w.port)), EACCES, EACCES, K, K, EACCES, kPorts},
    {"disconnect a socket", [](const World& w) -> long {
       sockaddr none{};
       none.sa_family = AF_UNSPEC;
       return ::connect(w.tcp, &none, sizeof none);
     }, kDone, kDone, K, K, kDone},
    {"send to an address on a closed socket", TRY(send_to(w.closed_tcp, w, MSG_NOSIGNAL)), K, EPIPE, K, K, EPIPE},
    {"send with TCP Fast Open", TRY(send_to(w.fresh_tcp, w, MSG_FASTOPEN)), K, K, K, K, K},
    {"send a message to an address on a closed socket", TRY(send_message(w.closed_tcp, w, MSG_NOSIGNAL)), EPIPE, EPIPE, K, EPIPE, K},
    {"send a message to an address on a connected socket", TRY(send_message(w.datagrams, w, MSG_NOSIGNAL)), EINVAL, EINVAL, K, EINVAL, K},
    {"send a message with TCP Fast Open", TRY(send_message(w.fresh_tcp, w, MSG_FASTOPEN | MSG_NOSIGNAL)), K, K, K, K, K},
    {"send many messages", TRY(send_many(w)), K, kDone, K, K, kDone},
    {"send a descriptor", TRY(send_descriptor(w)), kDone, kDone, K, kDone, K},
    {"TCP Fast Open by option", TRY(set(w.fresh_tcp, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)), K, K, K, K, K},
    {"bind a socket to an interface", TRY(::setsockopt(w.tcp, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3)), K, K, K, K, K},
    {"mark packets", TRY(set(w.tcp, SOL_SOCKET, SO_MARK, 1)), K, K, K, K, K},
    {"send from a foreign address", TRY(set(w.tcp, IPPROTO_IP, IP_TRANSPARENT, 1)), K, K, K, K, K},
    {"source routing", TRY(::setsockopt(w.tcp, IPPROTO_IP, IP_OPTIONS, "", 0)), K, K, K, K, K},
    {"a filter on a socket", [](const World& w) -> long {
       sock_filter all[] = {BPF_STMT(BPF_RET | BPF_K, 0xffff)};
       const sock_fprog program{1, all};
       return ::setsockopt(w.tcp, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
     }, K, K, K, K, K},
    {"repair mode", TRY(set(w.tcp, IPPROTO_TCP, TCP_REPAIR, 1)), K, K, K, K, K},
    {"another congestion control", TRY(::setsockopt(w.tcp, IPPROTO_TCP, TCP_CONGESTION, "reno", 4)), K, K, K, K, K},
    {"kernel TLS", TRY(::setsockopt(w.tcp, IPPROTO_TCP, TCP_ULP, "tls", 3)), K, K, K, K, K},
    {"credentials on a socket", TRY(set(w.datagrams, SOL_SOCKET, SO_PASSCRED, 1)), K, K, K, K, K},
    {"bind a port below 1024", [](const World&) -> long { return bind_to(AF_INET); }, kDone, EACCES, K, K, EACCES, kPorts},
    {"bind a port in no table", TRY(bind_high_port()), EACCES, EACCES, K, K, EACCES, kPorts},
    {"listen on a socket", TRY(::listen(w.fresh_tcp, 1)), kDone, K, K, K, K},
    {"accept a connection", TRY(::syscall(SYS_accept4, w.listener, nullptr, nullptr, kFlags)), K, EAGAIN, K, EAGAIN, K},
    {"accept a connection that exec leaves open", TRY(::syscall(SYS_accept4, w.listener, nullptr, nullptr, SOCK_NONBLOCK)), K, K, K, K, K},
    {"shut down both directions", TRY(::shutdown(w.tcp, SHUT_RDWR)), K, K, K, K, K},
#ifdef SYS_accept
    {"accept a connection the old way", TRY(::syscall(SYS_accept, w.listener, nullptr, nullptr)), K, K, K, K, K},
#endif
    {"a pair of stream sockets", [](const World&) -> long {
       int pair[2];
       return ::socketpair(AF_UNIX, SOCK_STREAM | kFlags, 0, pair);
     }, K, kDone, K, kDone, K},
    {"a pair of message sockets", [](const World&) -> long {
       int pair[2];
       return ::socketpair(AF_UNIX, SOCK_SEQPACKET | kFlags, 0, pair);
     }, kDone, K, K, K, K},
    {"a pair of datagram sockets", [](const World&) -> long {
       int pair[2];
       return ::socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
     }, K, K, K, K, K},
    {"take bytes of a TCP stream", TRY(receive(w.tcp, 0)), K, kDone, K, K, kDone},
    {"take bytes of a TCP stream with MSG_TRUNC", TRY(receive_bytes_by_trunc(w)), ENODATA, ENODATA, K, K, ENODATA},
    {"look at bytes of a TCP stream", TRY(receive(w.tcp, MSG_PEEK)), K, K, K, K, K},
    {"read a TCP stream", [](const World& w) -> long {
       char byte;
       return ::read(w.tcp, &byte, 1);
     }, K, kDone, kDone, kDone, kDone},
    {"receive a message of a TCP stream", TRY(receive_message(w, MSG_CMSG_CLOEXEC)), K, kDone, kDone, kDone, kDone},
    {"receive descriptors that exec leaves open", TRY(receive_message(w, 0)), K, kDone, K, K, kDone},
    {"look at a message of a TCP stream", TRY(receive_message(w, MSG_CMSG_CLOEXEC | MSG_PEEK)), K, kDone, K, K, kDone},
    {"receive an urgent message", TRY(receive_message(w, MSG_CMSG_CLOEXEC | MSG_OOB)), K, EINVAL, K, K, EINVAL},
    {"receive the errors of a socket", TRY(receive_message(w, MSG_CMSG_CLOEXEC | MSG_ERRQUEUE)), K, EAGAIN, K, K, EAGAIN},
    {"receive many messages", TRY(::syscall(SYS_recvmmsg, w.tcp, nullptr, 0, 0, nullptr)), K, K, K, K, K},
    {"splice a TCP stream", TRY(::syscall(SYS_splice, w.tcp, nullptr, w.pipe_write, nullptr, 1, kMove)), K, kDone, K, kDone, K},
    {"splice a file", TRY(::syscall(SYS_splice, w.file, nullptr, w.pipe_write, nullptr, 1, kMove)), K, kDone, K, kDone, K},
    {"splice with another flag", TRY(::syscall(SYS_splice, w.tcp, nullptr, w.pipe_write, nullptr, 1, kMove | SPLICE_F_GIFT)), K, K, K, K, K},
    {"how much a pipe holds", [](const World& w) -> long {
       int size = 0;
       return ::ioctl(w.pipe_read, FIONREAD, &size);
     }, K, kDone, K, kDone, kDone},
    {"the interfaces of the machine", [](const World& w) -> long {
       ifconf interfaces{};
       return ::ioctl(w.tcp, SIOCGIFCONF, &interfaces);
     }, K, K, K, K, K},
    {"signals from a socket", [](const World& w) -> long {
       int pid = w.sibling;
       return ::ioctl(w.tcp, FIOSETOWN, &pid);
     }, K, K, K, K, K},
    {"signals from a descriptor", TRY(::fcntl(w.tcp, F_SETOWN, w.sibling)), K, K, K, K, K},
    {"inject characters into a terminal", TRY(::ioctl(w.terminal, TIOCSTI, "x")), K, K, K, K, K},
    {"the console's selection", TRY(::ioctl(w.terminal, TIOCLINUX, "\2")), K, K, K, K, K},
    {"another controlling terminal", TRY(::ioctl(w.terminal, TIOCSCTTY, 1)), K, K, K, K, K},
};

}  // namespace

std::span<const Operation> socket_operations() {
  return kSocketOperations;
}

}  // namespace localproxy::sandbox::test
