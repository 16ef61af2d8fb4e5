// The whole service: listeners, connections, and the settings that a test can change while it runs.
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bounds.h"
#include "certificate.h"
#include "event.h"
#include "gate.h"
#include "journal.h"
#include "proxy.h"
#include "registry.h"

namespace localproxy::service {

enum class PongMode {
  kAnswer,
  kWithhold,
  kUntilSource,  // withheld while no source is connected, as the real service may do
};

class Server final : public Host {
 public:
  Server(event_base* base, const std::string& directory, Certificates certificates, Journal& journal);
  ~Server() override;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // "ADDR:PORT"; returns the port.
  Result<uint16_t> listen(const std::string& address);

  // Host.
  Admission admit(std::variant<Request, Refusal> request, Proxy& proxy) override;
  bool answers_pings(Tunnel& tunnel) override;
  void mark_dirty(Proxy& proxy) override { dirty_.push_back(&proxy); }
  void settle() override;
  void bury(Proxy& proxy) override;
  Journal& journal() override { return journal_; }

  Registry& registry() { return registry_; }
  Faults& faults() { return gate_.faults(); }
  // The proxy in that seat; nullptr: none.
  static Proxy* proxy(Tunnel& tunnel, Side side);
  size_t connections() const { return proxies_.size(); }

  void set_pongs(PongMode mode) { pongs_ = mode; }
  void set_idle(std::chrono::milliseconds idle);
  // Applies to present and future connections; no tunnel, or no side: to all of them.
  void set_shape(const std::string* tunnel, std::optional<Side> side, const Shape& shape);
  // Applies to new connections. False: the kind is unknown.
  bool set_certificate(std::string_view kind);
  Certificates& certificates() { return certificates_; }

  // Calls done(true) as soon as holds() is true, or done(false) after timeout. The key is for forget().
  void wait(const void* key, std::function<bool()> holds, std::chrono::milliseconds timeout,
            std::function<void(bool)> done);
  void forget(const void* key);

 private:
  struct Listener;
  struct Waiter;
  static void on_accept(evutil_socket_t fd, short, void* self);
  static void on_reap(evutil_socket_t, short, void* self);
  static void on_tick(evutil_socket_t, short, void* self);
  void flush_dirty();
  void serve_waiters();

  event_base* base_;
  Journal& journal_;
  Certificates certificates_;
  SSL_CTX* context_;
  Registry registry_;
  Gate gate_;
  Event reap_;
  Event tick_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::map<Proxy*, std::unique_ptr<Proxy>> proxies_;
  std::vector<std::unique_ptr<Proxy>> dead_;
  std::vector<Proxy*> dirty_;
  std::vector<Waiter> waiters_;
  std::map<std::pair<std::string, Side>, Shape> shapes_;
  Shape default_shape_;
  PongMode pongs_ = PongMode::kAnswer;
  std::chrono::milliseconds idle_ = bounds::kIdle;
};

}  // namespace localproxy::service
