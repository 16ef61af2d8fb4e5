#include "monitor/listeners.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <utility>

#include "base/limits.h"
#include "monitor/resolver.h"

namespace localproxy::monitor {
namespace {

// Tries with another free port, when the one that the first family got is taken in the second.
constexpr int kFreePortTries = 16;

Error cannot(const std::string& what, const Address& address, int error) {
  std::string hint;
  if (error == EADDRINUSE) hint = " (another program listens there; choose another port, or stop it)";
  if (error == EACCES) hint = " (ports below 1024 need root or CAP_NET_BIND_SERVICE; choose another port)";
  if (error == EADDRNOTAVAIL) hint = " (this machine does not have that address)";
  return Error("cannot " + what + " " + to_string(address) + ": " + system_error("bind", error).text() +
               hint);
}

// Binds one address; `error` is 0 when it worked. "::" alone accepts clients of both families, as with the
// reference and most servers.
UniqueFd bind_one(const Address& address, bool alone, int& error) {
  error = 0;
  const int only_ipv6 = alone && is_any(address) ? 0 : 1;
  UniqueFd socket(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      (address.family() == AF_INET6 &&
       ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &only_ipv6, sizeof only_ipv6) != 0) ||
      ::bind(socket.get(), address.get(), address.size) != 0) {
    error = errno;
  }
  return socket;
}

uint16_t port_of(int socket) {
  Address bound;
  bound.size = sizeof bound.storage;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&bound.storage), &bound.size) != 0) return 0;
  return bound.port();
}

Result<ServiceListener> try_bind(const std::vector<Address>& addresses) {
  ServiceListener listener;
  int last_error = 0;
  for (Address address : addresses) {
    if (listener.port != 0) address.set_port(listener.port);
    int error = 0;
    UniqueFd socket = bind_one(address, addresses.size() == 1, error);
    last_error = error;
    // A machine without one of the families still has localhost.
    const bool absent = error == EADDRNOTAVAIL || error == EAFNOSUPPORT;
    if (absent && addresses.size() > 1) continue;
    if (error != 0) return cannot("listen on", address, error);
    if (listener.port == 0) listener.port = port_of(socket.get());
    address.set_port(listener.port);
    listener.sockets.push_back(std::move(socket));
    listener.addresses.push_back(address);
  }
  if (listener.sockets.empty()) return cannot("listen on", addresses.front(), last_error);
  return listener;
}

}  // namespace

std::string ServiceListener::name() const {
  if (stdio) return "standard input and output";
  return file.path().empty() ? "port " + std::to_string(port) : file.path();
}

Result<ServiceListener> bind_service(const config::ServiceMapping& mapping, std::vector<Address> on) {
  switch (mapping.address.kind) {
    case config::LocalAddress::Kind::kTcp:
      if (on.empty()) {
        return Error("cannot listen on " + mapping.address.host +
                     ": names are looked up only for -s and -b; give an address");
      }
      for (Address& address : on)
        address.set_port(mapping.address.port);
      return bind_listener(std::move(on));
    case config::LocalAddress::Kind::kUnix:
      return bind_unix_listener(mapping.address.path);
    case config::LocalAddress::Kind::kStdio:
      break;
  }
  ServiceListener listener;
  listener.stdio = true;
  return listener;
}

Result<ServiceListener> bind_unix_listener(const std::string& path) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return system_error("cannot listen on " + path, errno);
  auto file = SocketFile::bind(socket.get(), path);
  if (!file) return file.error();
  ServiceListener listener;
  listener.addresses.push_back(unix_address(path));
  listener.sockets.push_back(std::move(socket));
  listener.file = std::move(*file);
  return listener;
}

std::vector<Address> listen_addresses(const config::ServiceMapping& mapping,
                                      const std::vector<Address>& otherwise) {
  return mapping.address.host.empty() ? otherwise : known_addresses(mapping.address.host, 0);
}

Result<ServiceListener> bind_listener(std::vector<Address> addresses) {
  const bool any_port = addresses.front().port() == 0;
  auto bound = try_bind(addresses);
  for (int i = 0; i < kFreePortTries && !bound && any_port; ++i)
    bound = try_bind(addresses);
  return bound;
}

Result<std::vector<ServiceListener>> assign_listeners(std::vector<ServiceListener> bound,
                                                      const Assignment& assignment,
                                                      const std::vector<config::ServiceMapping>& services,
                                                      const std::vector<Address>& addresses) {
  std::vector<ServiceListener> assigned;
  for (const auto& index : assignment) {
    if (index && !bound.empty()) {
      assigned.push_back(std::move(bound[*index]));
      continue;
    }
    auto late = index ? bind_service(services[*index], listen_addresses(services[*index], addresses))
                      : bind_listener({addresses.front()});
    if (!late) return late.error();
    assigned.push_back(std::move(*late));
  }
  return assigned;
}

Result<> start_listening(const ServiceListener& listener) {
  for (size_t i = 0; i < listener.sockets.size(); ++i) {
    if (::listen(listener.sockets[i].get(), limits::kListenBacklog) != 0) {
      return cannot("listen on", listener.addresses[i], errno);
    }
  }
  return {};
}

}  // namespace localproxy::monitor
