// A tunnel's owner that records, one line each, everything that the tunnel asks of it and of its connections.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "net/tunnel.h"

namespace localproxy::net::test {

using wire::Message;
using wire::MessageType;

// "STREAM_START stream 7 service 'SSH' connection 1".
inline std::string line(const Message& message) {
  return to_string(message.type) + " stream " + std::to_string(message.stream_id) + " service '" +
         message.service_id + "' connection " + std::to_string(message.connection_id);
}

class Recorder : public TunnelEvents {
 public:
  Connection* open(uint16_t service) override {
    const auto number = static_cast<ConnectionNumber>(connections_.size() + 1);
    events.push_back("open " + std::to_string(number) + " service " + std::to_string(service));
    return &add(number, service);
  }
  void send(const Message& message) override {
    EXPECT_TRUE(message.payload.empty());
    EXPECT_TRUE(message.service_ids.empty());
    EXPECT_FALSE(message.ignorable);
    events.push_back("send " + line(message));
  }
  void note(std::string text) override { notes.push_back(std::move(text)); }

  // What has happened since the last call.
  std::vector<std::string> take() { return std::exchange(events, {}); }

  // A local connection, for a source.
  Connection& add(ConnectionNumber number, uint16_t service) {
    auto& connection = connections_[number];
    EXPECT_EQ(connection, nullptr) << number;
    connection = std::make_unique<Recorded>(number, service, events);
    return *connection;
  }
  // Null: it never existed.
  Connection* find(ConnectionNumber number) {
    const auto found = connections_.find(number);
    return found == connections_.end() ? nullptr : found->second.get();
  }

  std::vector<std::string> events;
  std::vector<std::string> notes;

 private:
  class Recorded : public Connection {
   public:
    Recorded(ConnectionNumber number, uint16_t service, std::vector<std::string>& events)
        : Connection(number, service), events_(events) {}
    void deliver(Bytes bytes) override {
      events_.push_back("deliver " + std::to_string(number()) + " " + std::string(as_text(bytes)));
    }
    void finish() override { events_.push_back("finish " + std::to_string(number())); }

   private:
    std::vector<std::string>& events_;
  };

  std::map<ConnectionNumber, std::unique_ptr<Connection>> connections_;
};

// A tunnel whose connections are known by their numbers.
class NumberedTunnel : public Tunnel {
 public:
  NumberedTunnel(bool source, std::vector<std::string> services, Format format, uint32_t first_stream_id,
                 uint32_t max_connections, Recorder& recorder, uint32_t max_id = limits::kMaxId)
      : Tunnel(source, std::move(services), format, first_stream_id, max_connections, recorder, max_id),
        recorder_(recorder) {}

  void local_opened(ConnectionNumber number, uint16_t service) {
    Tunnel::local_opened(recorder_.add(number, service));
  }
  // Null: this number was never used.
  void local_closed(ConnectionNumber number) {
    if (Connection* const connection = recorder_.find(number)) Tunnel::local_closed(*connection);
  }
  // The address of a connection's next data. Null: it is not open any more.
  const Route* route(ConnectionNumber number) {
    Connection* const connection = recorder_.find(number);
    return connection != nullptr && connection->open() ? &connection->route_data() : nullptr;
  }

 private:
  Recorder& recorder_;
};

// A message as the service sends it, without its length prefix.
inline std::string encoded(const Message& message) {
  std::string frame;
  wire::append_frame(message, frame);
  return frame.substr(2);
}

inline Message make(MessageType type, int32_t stream, std::string service = "", uint32_t connection = 0,
                    std::string payload = "") {
  return {.type = type,
          .stream_id = stream,
          .payload = std::move(payload),
          .service_id = std::move(service),
          .connection_id = connection};
}

inline Result<> receive(Tunnel& tunnel, const Message& message) {
  return tunnel.receive(as_bytes(encoded(message)));
}

// One end of a tunnel, and what it does with what it is given.
struct Side {
  explicit Side(bool source, std::vector<std::string> services = {"A", "B"}, Format format = {},
                uint32_t max_connections = 4, uint32_t first_stream_id = kFirst,
                uint32_t max_id = limits::kMaxId)
      : tunnel(source, std::move(services), format, first_stream_id, max_connections, events, max_id) {}

  void take(const Message& message) {
    const Result<> taken = receive(tunnel, message);
    EXPECT_TRUE(taken.ok()) << line(message) << ": " << taken.error().text();
  }
  void take(MessageType type, int32_t stream, std::string service = "", uint32_t connection = 0,
            std::string payload = "") {
    take(make(type, stream, std::move(service), connection, std::move(payload)));
  }
  void refuse(const Message& message, const std::string& why) {
    const Result<> taken = receive(tunnel, message);
    ASSERT_FALSE(taken.ok()) << line(message);
    EXPECT_NE(taken.error().text().find(why), std::string::npos) << taken.error().text();
  }

  // The id of the first stream that a source starts.
  static constexpr int32_t kFirst = 1'000;

  Recorder events;
  NumberedTunnel tunnel;
};

}  // namespace localproxy::net::test
