// One connection of the tunnel: where its data goes, in either direction.
//
// The tunnel keeps its own state of the connection here. The derived class is the local side:
// net/local_channel.h, or a recorder in a test.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace localproxy::net {

// The number by which this process and the bridge know a connection.
using ConnectionNumber = uint32_t;

// The fields of the DATA messages of one connection.
struct Route {
  int32_t stream_id = 0;
  std::string_view service_id;  // empty: the field is left out
  uint32_t connection_id = 0;   // 0: the field is left out
};

class Connection {
 public:
  // service: its index in the tunnel.
  Connection(ConnectionNumber number, uint16_t service) : number_(number), service_(service) {}
  virtual ~Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  ConnectionNumber number() const { return number_; }
  uint16_t service() const { return service_; }
  // Whether the tunnel carries it: false before it is opened and after either side has ended it.
  bool open() const { return open_; }
  // The address of data that is about to be sent. REQUIRES: open().
  const Route& route_data() {
    used_ = true;
    return route_;
  }

  // Bytes for the local side; valid only during the call.
  virtual void deliver(Bytes bytes) = 0;
  // The peer has ended the connection: flushes what was delivered, then closes the local side in order. The
  // tunnel no longer knows the connection.
  virtual void finish() = 0;

 private:
  friend class Tunnel;

  const ConnectionNumber number_;
  const uint16_t service_;
  bool open_ = false;
  bool used_ = false;  // data was sent on it
  uint32_t id_ = 0;    // within its stream, even if the route leaves it out
  Route route_;
};

}  // namespace localproxy::net
