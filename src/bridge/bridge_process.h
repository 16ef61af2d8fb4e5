// The bridge process: listeners, local sockets and channels. It moves bytes and never looks at them.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/exhaustion.h"
#include "base/log.h"
#include "bridge/local_connection.h"
#include "event/loop.h"
#include "ipc/port.h"

namespace localproxy::bridge {

class BridgeProcess : public LocalConnectionEvents {
 public:
  BridgeProcess(event::Loop& loop, Log& log, ipc::Port& monitor);
  ~BridgeProcess() override;

 private:
  struct OpenListener {
    uint16_t service;
    std::string name;  // "port 5555" or "/run/x.sock"
    UniqueFd fd;
    std::unique_ptr<event::Watcher> watcher;
    bool full = false;  // at its limit, and the log says so
  };
  struct Slot {
    std::unique_ptr<LocalConnection> connection;
    uint32_t cookie = 0;  // of the dial that is under way, or 0
  };

  // From the monitor.
  void on_listener(const ipc::Listener& message, UniqueFd fd);
  void on_target(const ipc::Target& message);
  void on_peer(const ipc::Peer& message, UniqueFd fd);
  void on_accepting(const ipc::Accepting& message);
  void on_dialed(const ipc::Dialed& message, UniqueFd fd);
  void on_dial_failed(const ipc::DialFailed& message);
  void on_stdio(const ipc::Stdio& message);
  void on_stop();
  // From net.
  void on_open(const ipc::Open& message);
  void on_finish(const ipc::Finish& message);
  void on_reset(const ipc::Reset& message);
  void on_peer_end(ipc::Port::End end, const std::string& what);
  // LocalConnectionEvents.
  void on_channel_end() override;
  void on_idle(LocalConnection& connection) override;
  void on_shortage(const std::string& why) override;
  void on_closed(LocalConnection& connection) override;

  bool may_accept(const OpenListener& listener);
  void accept(OpenListener& listener);
  bool make_room_for_one();
  // Retries what a shortage stopped, after a while or when a connection has ended.
  void resume();
  void open_waiting();
  LocalConnection* add_accepted(uint16_t service, LocalSide local);
  // Watches the listeners of the services that have room, while accepting is on.
  void update_listeners();
  // Makes a connection of standard input and output, once, when accepting is on.
  void begin_stdio();
  Slot* find(uint32_t number);
  // The local side of the next connection of a service.
  LocalSide local_side(uint16_t service, UniqueFd input, std::string name) {
    const std::string& of = service_names_[service];
    return {std::move(input), UniqueFd(), std::move(name),
            of + (of.empty() ? "#" : " #") + std::to_string(++connected_)};
  }
  // Null: there is no channel for it; the shortage is noted.
  LocalConnection* add(uint32_t number, uint16_t service, bool accepted);
  void drop_peer();
  void cancel_dial(Slot& slot);
  ipc::Counters counters() const;
  void destroy_closed();
  void end_if_stopped();

  event::Loop& loop_;
  Log& log_;
  ipc::Port& monitor_;
  std::unique_ptr<ipc::Port> peer_;
  event::Deferred old_peers_;
  PipePool pool_;
  Pipes pipes_;
  std::vector<std::unique_ptr<OpenListener>> listeners_;
  std::vector<bool> targets_;  // by service
  std::map<uint16_t, std::string> service_names_;
  uint64_t connected_ = 0;            // connections with a local side since the start
  std::deque<ipc::Open> to_open_;     // what net asked for during a shortage
  std::optional<ChannelEnds> spare_;  // the channel of the next connection
  Episode shortage_;
  std::string shortage_of_;  // why, as logged
  // The connections of the current net, by number, and those of earlier ones that still flush.
  std::unordered_map<uint32_t, Slot> connections_;
  std::unordered_map<LocalConnection*, std::unique_ptr<LocalConnection>> leaving_;
  std::vector<LocalConnection*> closed_;  // in either map
  event::Task destroy_closed_;
  std::map<uint16_t, uint32_t> open_;             // by service
  std::unordered_map<uint32_t, uint32_t> dials_;  // cookie -> number
  uint32_t max_connections_ = 0;
  std::chrono::seconds idle_timeout_{0};
  std::chrono::seconds half_close_linger_{0};
  std::optional<uint16_t> stdio_;  // the service of standard input and output, until they are used
  const LocalConnection* stdio_used_ = nullptr;  // their connection
  uint32_t next_number_ = 1;
  uint32_t next_cookie_ = 1;
  bool accepting_ = false;
  event::Timer pause_;  // during a shortage
  bool stopping_ = false;
  ipc::Counters counters_;  // without the bytes of connections that are not closed
};

}  // namespace localproxy::bridge
