// A tunnel's owner that writes down, in one line each, everything that the tunnel asks of it.
#pragma once

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
  void open(Number number, uint16_t service) override {
    events.push_back("open " + std::to_string(number) + " service " + std::to_string(service));
  }
  void deliver(Number number, Bytes bytes) override {
    events.push_back("deliver " + std::to_string(number) + " " + std::string(as_text(bytes)));
  }
  void finish(Number number) override { events.push_back("finish " + std::to_string(number)); }
  void send(const Message& message) override {
    EXPECT_TRUE(message.payload.empty());
    EXPECT_TRUE(message.service_ids.empty());
    EXPECT_FALSE(message.ignorable);
    events.push_back("send " + line(message));
  }
  void note(std::string text) override { notes.push_back(std::move(text)); }

  // What has happened since the last call.
  std::vector<std::string> take() { return std::exchange(events, {}); }

  std::vector<std::string> events;
  std::vector<std::string> notes;
};

// message as the service sends it, without the length in front.
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

}  // namespace localproxy::net::test
