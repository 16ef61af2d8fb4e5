// The control socket: a UNIX stream socket that reads one JSON object per line and answers each with one
// line.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "event.h"
#include "server.h"

namespace localproxy::service {

class Control {
 public:
  Control(event_base* base, Server& server);
  ~Control();
  Control(const Control&) = delete;
  Control& operator=(const Control&) = delete;

  // Makes directory/control.sock.
  Result<> listen(const std::string& directory);

 private:
  class Session;
  static void on_accept(evutil_socket_t fd, short, void* self);
  static void on_reap(evutil_socket_t, short, void* self);
  void end(Session& session);

  event_base* base_;
  Server& server_;
  UniqueFd fd_;
  std::unique_ptr<Event> accept_event_;
  Event reap_;
  std::map<Session*, std::unique_ptr<Session>> sessions_;
  std::map<Session*, std::unique_ptr<Session>> ended_;
};

}  // namespace localproxy::service
