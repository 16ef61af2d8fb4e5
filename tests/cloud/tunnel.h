// One tunnel: its two seats, its streams, and the rules by which messages pass between the seats.
//
// It uses no sockets and no clock; it reaches proxies through Endpoint.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "journal.h"
#include "message.h"
#include "record.h"
#include "side.h"

namespace localproxy::service {

// A connected proxy, as its tunnel sees it.
class Endpoint {
 public:
  virtual ~Endpoint() = default;
  // The negotiated protocol version: 1 to 3.
  virtual int version() const = 0;
  // Queues one tunnel frame. REQUIRES: bounds::kHeadRoom bytes in front of it that may be overwritten.
  virtual void send_frame(MutableBytes frame) = 0;
  // Queued bytes.
  virtual size_t queued() const = 0;
  // Sends a close frame and takes no more messages; calls Tunnel::detach(). code 0: a frame without one.
  virtual void close(uint16_t code, std::string_view reason) = 0;
  // There is room at the other seat again.
  virtual void resume() = 0;
};

struct Credential {
  std::string token;
  bool used = false;
  std::string client_token;  // bound by the first use, if given
};

struct Traffic {
  uint64_t messages = 0;  // from this seat
  uint64_t bytes = 0;     // tunnel frames, lengths included
  uint64_t data_messages = 0;
  uint64_t data_bytes = 0;  // payload
  uint64_t dropped = 0;     // messages that could not be delivered
};

// The format of a side's messages, settled by the first stream start that it sends or receives.
struct Format {
  bool service = false;     // with serviceId
  bool connection = false;  // with connectionId
};

struct Stream {
  bool active = false;
  int32_t id = 0;
  Format source;       // as the source writes it
  Format destination;  // as it reached the destination
  std::set<uint32_t> connections;
};

struct Seat {
  Endpoint* endpoint = nullptr;
  Credential credential;
  std::optional<Format> format;  // of the source's current connection
  Traffic traffic;
  Record record;
  uint64_t upgrades = 0;
  bool drop_said = false;
};

class Tunnel {
 public:
  Tunnel(std::string name, std::vector<std::string> services, Journal& journal);
  Tunnel(const Tunnel&) = delete;
  Tunnel& operator=(const Tunnel&) = delete;

  const std::string& name() const { return name_; }
  const std::vector<std::string>& services() const { return services_; }
  // By service, in the order of services(); one for a tunnel without services.
  const std::vector<Stream>& streams() const { return streams_; }
  Seat& seat(Side side) { return seats_[index(side)]; }
  std::string who(Side side) const { return std::string(to_string(side)) + " of " + name_; }
  bool closed() const { return closed_; }

  // Takes the seat, replacing its occupant, and sends SERVICE_IDS.
  void attach(Side side, Endpoint& endpoint, bool say_service_ids);
  // Frees the seat if it is endpoint's; tells the other side that its streams have ended.
  void detach(Side side, Endpoint& endpoint);
  // One whole tunnel frame from a proxy, with head-room as Endpoint::send_frame wants it.
  std::optional<Breach> receive(Side from, MutableBytes frame);
  // Whether reading from that side should pause.
  bool is_full(Side from);
  // A proxy's queue has drained.
  void drained(Side side);
  // CloseTunnel.
  void close();
  // Whether STREAM_RESET and CONNECTION_RESET tell a side that the other is missing, lost or replaced.
  void set_tells(bool tells) { tells_ = tells; }

 private:
  std::optional<Breach> find_stream(const Message& message, size_t& stream) const;
  std::optional<Breach> check_format(Side from, const Message& message, const Stream& stream);
  void control(Side from, const Message& message, Stream& stream, MutableBytes frame);
  void stream_start(const Message& message, Stream& stream);
  void pass(Side from, const Message& message, MutableBytes frame);
  void pass_down(Side from, const Message& message, Seat& to, int version);
  void answer(Side to, Type type, const Message& message);
  void send(Seat& to, OwnFrame frame);
  void drop(Side from, std::string_view why);
  void reset_streams(Side tell);

  std::string name_;
  std::vector<std::string> services_;
  Journal& journal_;
  std::vector<Stream> streams_;
  std::array<Seat, 2> seats_;
  std::vector<uint8_t> scratch_;
  bool closed_ = false;
  bool tells_ = true;
};

}  // namespace localproxy::service
