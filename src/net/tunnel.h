// The multiplexer: which streams and connections a tunnel has, and what each message does to them.
//
// Values in, values out: no descriptor, no loop, no clock.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/result.h"
#include "net/connection.h"
#include "net/format.h"
#include "wire/data.h"
#include "wire/message.h"

namespace localproxy::net {

// What the tunnel asks of its owner.
class TunnelEvents {
 public:
  virtual ~TunnelEvents() = default;
  // The peer opens a connection (destination only): makes its local side. Null: not possible now.
  virtual Connection* open(uint16_t service) = 0;
  virtual void send(const wire::Message& message) = 0;
  virtual void note(std::string text) = 0;
};

class Tunnel {
 public:
  // services: ids in the order of their indexes. format: what a source sends, and the most that a destination
  // answers with. first_stream_id: must not be predictable from the last tunnel connection's, so that data in
  // flight for that one is stale here. max_id: the largest id of a stream or connection. REQUIRES: a source
  // whose format has no service id has one service; max_id is larger than the number of concurrent
  // connections.
  Tunnel(bool source, std::vector<std::string> services, Format format, uint32_t first_stream_id,
         uint32_t max_connections, TunnelEvents& events, uint32_t max_id = limits::kMaxId);

  // A local client connected (source only): sends the start; data may follow at once. If the destination
  // allows one connection to a service at a time, the previous one is finished. A connection must outlive its
  // being open, on a destination too.
  void local_opened(Connection& connection);
  // The local side has ended or could not be reached: tells the peer, unless the peer has ended the
  // connection.
  void local_closed(Connection& connection);
  // Forgets the connection without telling the peer.
  void forget(Connection& connection);
  // Nothing more will be sent (source only): resets the streams that the peer still has. The owner ends the
  // local sides of connections that are still open.
  void end_streams();
  // Open connections have waited for an answer: notes it if the destination has never sent anything.
  void waited();

  // One message from the service; an error ends the tunnel connection.
  Result<> receive(Bytes message);

  const std::vector<std::string>& services() const { return services_; }
  size_t open_connections() const { return open_; }
  // Whether the first sign of the destination is still to come.
  bool expects_answer() const { return source_ && !heard_ && !silence_noted_; }

 private:
  struct Service {
    int32_t stream_id = 0;  // 0: no stream
    uint32_t last_connection_id = 0;
    std::map<uint32_t, Connection*> open;  // by connection id
    Format format;                         // of what we send on the stream
    bool answered = false;                 // source: the stream has shown the destination's version
  };
  // What a source of version 3 knows about the destination. The service may translate for an older one.
  enum class PeerFormat : uint8_t {
    kUnknown,
    kOlder,    // has no connection ids: one connection to a service at a time
    kCurrent,  // of version 3
  };
  Result<> receive_other(const wire::Message& message);
  Result<> on_stream_start(const wire::Message& message, uint16_t service);
  Result<> on_connection_start(const wire::Message& message, uint16_t service);
  Result<> on_service_ids(const wire::Message& message);
  void on_data(const wire::DataView& data);
  void on_connection_reset(const wire::Message& message, uint16_t service);
  // The destination's first message on a stream shows its version.
  void recognise(Service& service, const wire::DataView& first);
  void keep_first_connections();
  bool needs_new_stream(const Service& service) const;
  void start_stream(const wire::Message& message, uint16_t service);
  void accept(const wire::Message& message, uint16_t service);
  // Finishes its connections and forgets the stream.
  void close_stream(uint16_t service);
  // The same, and tells the peer.
  void give_up_stream(uint16_t service);
  uint32_t next_id(uint32_t last) const { return last >= max_id_ ? 1 : last + 1; }
  uint32_t next_connection_id(Service& service) const;
  void note_end(const Connection& connection);
  void note_silence(const std::string& what);
  void close_all();
  void close_connection(uint16_t service, uint32_t connection_id);
  void reset_connection(Format format, std::string_view service_id, int32_t stream_id,
                        uint32_t connection_id);
  void reset_stream(Format format, std::string_view service_id, int32_t stream_id);
  // The index of a service id; an absent id means the only service. Empty: unknown.
  std::optional<uint16_t> find_service(std::string_view id) const;
  void add(Connection& connection, uint32_t connection_id);
  // Takes it out of the tables.
  void remove(Connection& connection);

  const bool source_;
  const std::vector<std::string> services_;
  const Format format_;
  std::vector<Service> state_;
  size_t open_ = 0;  // connections, of all services
  const uint32_t max_id_;
  uint32_t next_stream_id_;
  const uint32_t max_connections_;
  PeerFormat peer_ = PeerFormat::kUnknown;
  bool heard_ = false;  // source: the destination has sent something
  bool silence_noted_ = false;
  bool refusal_noted_ = false;
  bool nameless_data_noted_ = false;
  TunnelEvents& events_;
};

}  // namespace localproxy::net
