// The owner of a tunnel and of its local channels, as net/net_process.cc is one, with the local sides and the
// service in the hands of a fuzz target. It knows what every connection has sent and what should have
// arrived.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "net/local_channel.h"
#include "net/tunnel.h"
#include "wire/frame.h"

namespace localproxy::fuzz {

// A connection, and both directions of its bytes as seen from outside.
struct Carried {
  std::unique_ptr<net::LocalChannel> channel;  // null: net has ended it
  FdPair ours;                                 // of net, until it is attached
  FdPair local;                                // of the local side: the first is read, the second written
  uint16_t service = 0;
  int32_t stream_id = 0;
  uint32_t connection_id = 0;
  bool reset_sent = false;    // into the tunnel
  bool flushed = false;       // net has ended it in order
  bool local_closed = false;  // the local side reads no more
  std::string written;        // by the local side
  size_t framed = 0;          // bytes of it in the tunnel
  size_t seen = 0;            // of framed, by settle()
  std::string delivered;      // by the tunnel
  size_t read = 0;            // bytes of it, by the local side
};

class TunnelOwner : public net::TunnelEvents, public net::LocalChannelEvents {
 public:
  TunnelOwner(bool source, std::vector<std::string> services, int version);
  ~TunnelOwner() override;

  // A local client connects (source).
  void connect(uint16_t service, bool attach);
  // The bridge's channel for a connection that has none yet, or its failure.
  void attach(Carried& carried);
  void fail(Carried& carried);
  void write(Carried& carried, std::string bytes);
  // The local side sends no more.
  void end(Carried& carried);
  void read(Carried& carried, size_t most);
  // The local side reads no more.
  void close(Carried& carried);
  // The local side has taken nothing for too long.
  void stall(Carried& carried);
  // A message of the service. False: the tunnel has ended with an error.
  bool receive(Bytes bytes);
  // Nothing leaves through the link until it is unblocked.
  void block(bool blocked);
  // Handles what is ready.
  void turn();
  // Lets everything arrive, and checks that it did.
  void settle();

  // Null: there is none of that number.
  Carried* find(size_t index);
  bool paused() const { return full_ > 0; }
  bool source() const { return source_; }
  const std::vector<std::string>& services() const { return tunnel_.services(); }

 private:
  class Recorded;

  // ---- TunnelEvents, LocalChannelEvents ----
  net::Connection* open(uint16_t service) override;
  void send(const wire::Message& message) override { sender_.send(message); }
  void note(std::string) override {}
  void on_local_end(net::LocalChannel& channel) override;
  void on_broken(net::LocalChannel& channel) override;
  void on_backlog(net::LocalChannel& channel, bool full) override;
  void on_stalled(net::LocalChannel& channel) override;
  void on_flushed(net::LocalChannel& channel) override;

  Carried& add(uint16_t service);
  void discard(net::LocalChannel& channel);
  Carried& of(const net::LocalChannel& channel) { return connections_.at(channel.number()); }
  // The open connection that DATA with these fields is for, or null.
  Carried* addressee(const wire::Message& data);
  // Reads the outbox as the service would.
  void take_sent();
  void on_sent(const wire::Message& message);
  void on_sent_data(const wire::Message& message);
  bool names(const wire::Message& message, const Carried& carried) const;

  event::Loop loop_;
  net::Sender sender_;
  event::Deferred deferred_;
  const bool source_;
  net::Tunnel tunnel_;
  std::map<net::ConnectionNumber, Carried> connections_;
  net::ConnectionNumber next_number_ = 1;
  wire::FrameSplitter splitter_;
  const wire::Message* receiving_ = nullptr;
  Carried* opening_ = nullptr;  // waits for its start message
  size_t full_ = 0;
  bool blocked_ = false;
};

}  // namespace localproxy::fuzz
