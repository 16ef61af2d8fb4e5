#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/log.h"
#include "bounds.h"

namespace localproxy::service {
namespace {

// The period of the checks for idle connections and expired waiters.
constexpr std::chrono::milliseconds kTick{100};

std::string to_text(const sockaddr_storage& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
    return "[" + std::string(text.data()) + "]:" + std::to_string(ntohs(v6.sin6_port));
  }
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
  ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
  return std::string(text.data()) + ":" + std::to_string(ntohs(v4.sin_port));
}

bool parse_address(std::string_view text, sockaddr_storage& address, socklen_t& size) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return false;
  std::string host(text.substr(0, colon));
  const std::string port(text.substr(colon + 1));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (host.empty() || ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) return false;
  size = found->ai_addrlen;
  memcpy(&address, found->ai_addr, size);
  ::freeaddrinfo(found);
  return true;
}

}  // namespace

struct Server::Listener {
  Listener(Server& owner, event_base* base, UniqueFd socket)
      : server(owner), fd(std::move(socket)), event(base, fd.get(), EV_READ | EV_PERSIST, on_accept, this) {
    event.add();
  }
  Server& server;
  UniqueFd fd;
  Event event;
};

struct Server::Waiter {
  const void* key;
  std::function<bool()> holds;
  Proxy::Clock::time_point deadline;
  std::function<void(bool)> done;
};

Server::Server(event_base* base, const std::string& directory, Certificates certificates, Journal& journal)
    : base_(base),
      journal_(journal),
      certificates_(std::move(certificates)),
      context_(certificates_.context("good")),
      registry_(directory, journal),
      gate_(registry_, journal),
      reap_(base, -1, 0, on_reap, this),
      tick_(base, -1, 0, on_tick, this) {
  tick_.after(kTick);
}

Server::~Server() = default;

Result<uint16_t> Server::listen(const std::string& text) {
  sockaddr_storage address{};
  socklen_t size = 0;
  if (!parse_address(text, address, size)) return Error("'" + text + "' is no ADDR:PORT");
  UniqueFd fd(::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return system_error("socket", errno);
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.ss_family == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &bounds::kReceive, sizeof bounds::kReceive);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) {
    return system_error("bind " + text, errno);
  }
  if (::listen(fd.get(), SOMAXCONN) != 0) return system_error("listen " + text, errno);
  socklen_t length = sizeof address;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    return system_error("getsockname", errno);
  }
  listeners_.push_back(std::make_unique<Listener>(*this, base_, std::move(fd)));
  // The port is at the same offset in both kinds of address.
  return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

void Server::on_accept(evutil_socket_t fd, short, void* self) {
  Server& server = static_cast<Listener*>(self)->server;
  for (;;) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    UniqueFd socket(
        ::accept4(fd, reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) return;
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bounds::kUnsent, sizeof bounds::kUnsent);
    auto proxy =
        std::make_unique<Proxy>(server, server.base_, server.context_, std::move(socket), to_text(address));
    Proxy* const key = proxy.get();
    server.proxies_.emplace(key, std::move(proxy));
  }
}

Admission Server::admit(std::variant<Request, Refusal> request, Proxy& proxy) {
  Admission admission = gate_.admit(std::move(request), proxy.facts());
  if (admission.tunnel != nullptr) {
    const auto own = shapes_.find({admission.tunnel->name(), admission.side});
    admission.shape = own == shapes_.end() ? default_shape_ : own->second;
  }
  return admission;
}

bool Server::answers_pings(Tunnel& tunnel) {
  if (pongs_ == PongMode::kUntilSource) return proxy(tunnel, Side::kSource) != nullptr;
  return pongs_ == PongMode::kAnswer;
}

void Server::settle() {
  flush_dirty();
  if (!waiters_.empty()) serve_waiters();
}

void Server::flush_dirty() {
  while (!dirty_.empty()) {
    Proxy* const proxy = dirty_.back();
    dirty_.pop_back();
    proxy->flush();
  }
}

void Server::bury(Proxy& proxy) {
  const auto found = proxies_.find(&proxy);
  check(found != proxies_.end(), "an unknown connection ended");
  dead_.push_back(std::move(found->second));
  proxies_.erase(found);
  reap_.activate(EV_TIMEOUT);
}

void Server::on_reap(evutil_socket_t, short, void* self) {
  auto& server = *static_cast<Server*>(self);
  server.flush_dirty();
  server.dead_.clear();
}

void Server::on_tick(evutil_socket_t, short, void* self) {
  auto& server = *static_cast<Server*>(self);
  const auto now = Proxy::Clock::now();
  std::vector<Proxy*> proxies;
  for (const auto& [key, proxy] : server.proxies_)
    proxies.push_back(key);
  for (Proxy* proxy : proxies)
    proxy->check_idle(now, server.idle_);
  server.tick_.after(kTick);
  server.settle();
}

Proxy* Server::proxy(Tunnel& tunnel, Side side) {
  // Only proxies occupy seats.
  return static_cast<Proxy*>(tunnel.seat(side).endpoint);
}

void Server::set_idle(std::chrono::milliseconds idle) {
  idle_ = idle;
}

void Server::set_shape(const std::string* tunnel, std::optional<Side> side, const Shape& shape) {
  if (tunnel == nullptr && !side) {
    default_shape_ = shape;
    shapes_.clear();
  }
  for (const auto& [name, candidate] : registry_.tunnels()) {
    if (tunnel != nullptr && name != *tunnel) continue;
    for (const Side seat : {Side::kSource, Side::kDestination}) {
      if (side && *side != seat) continue;
      shapes_[{name, seat}] = shape;
      if (Proxy* const present = proxy(*candidate, seat); present != nullptr) present->set_shape(shape);
    }
  }
}

bool Server::set_certificate(std::string_view kind) {
  SSL_CTX* const context = certificates_.context(kind);
  if (context == nullptr) return false;
  context_ = context;
  return true;
}

void Server::wait(const void* key, std::function<bool()> holds, std::chrono::milliseconds timeout,
                  std::function<void(bool)> done) {
  waiters_.push_back({key, std::move(holds), Proxy::Clock::now() + timeout, std::move(done)});
}

void Server::forget(const void* key) {
  std::erase_if(waiters_, [&](const Waiter& waiter) { return waiter.key == key; });
}

void Server::serve_waiters() {
  const auto now = Proxy::Clock::now();
  std::vector<std::pair<std::function<void(bool)>, bool>> ready;
  std::erase_if(waiters_, [&](Waiter& waiter) {
    const bool held = waiter.holds();
    if (!held && now < waiter.deadline) return false;
    ready.emplace_back(std::move(waiter.done), held);
    return true;
  });
  for (const auto& [done, held] : ready)
    done(held);
}

}  // namespace localproxy::service
