// A server's stream in pieces (the first byte gives the size) is parsed like the whole stream; what we write
// is read back.
#include <algorithm>
#include <string>
#include <vector>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/wire/client_frame.h"
#include "wire/websocket.h"

using namespace localproxy;
using fuzz::require;

namespace {

// All events of a reader, with data joined.
struct Transcript : wire::WebSocketEvents {
  std::string data;
  std::vector<std::string> calls;
  bool closed = false;
  std::string error;
  uint16_t close_code = 0;

  bool same_as(const Transcript& other) const {
    return data == other.data && calls == other.calls && closed == other.closed && error == other.error &&
           close_code == other.close_code;
  }

  Result<> on_data(Bytes bytes) override {
    require(!bytes.empty(), "data is never empty");
    require(!closed, "nothing follows a close");
    data += as_text(bytes);
    return {};
  }
  void on_ping(Bytes payload) override { add("ping", payload); }
  void on_pong(Bytes payload) override { add("pong", payload); }
  void on_close(uint16_t code, std::string_view reason) override {
    add("close " + std::to_string(code), as_bytes(reason));
    closed = true;
    const std::string payload = wire::close_payload(code, reason);
    require(payload.size() <= limits::kMaxControlPayload, "a close frame can be answered in kind");
  }
  void add(const std::string& what, Bytes payload) {
    require(!closed, "nothing follows a close");
    require(payload.size() <= limits::kMaxControlPayload, "control frames are within their limit");
    calls.push_back(std::to_string(data.size()) + " " + what + " " + std::string(as_text(payload)));
  }
};

void read_stream(Bytes stream, size_t most, Transcript& transcript) {
  wire::WebSocketReader reader;
  fuzz::feed_in_pieces(stream, most, [&](Bytes piece) {
    const Result<> fed = reader.feed(piece, transcript);
    if (!fed) transcript.error = fed.error().text();
    return fed.ok();
  });
  transcript.close_code = reader.close_code();
}

// Turns a masked frame into one that a server could have sent.
std::string unmasked(const std::string& frame, size_t payload_size) {
  const size_t header = wire::client_header_size(payload_size);
  wire::MaskKey key;
  const Bytes bytes = as_bytes(frame);
  std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(header - key.size()), key.size(), key.begin());
  std::string out = frame.substr(0, header - key.size()) + frame.substr(header);
  out[1] = static_cast<char>(out[1] & 0x7f);
  auto* payload = reinterpret_cast<uint8_t*>(out.data()) + header - key.size();
  wire::mask(payload, payload, payload_size, key, 0);
  return out;
}

void write_and_read(Bytes payload, uint8_t seed) {
  const wire::MaskKey key = {seed, static_cast<uint8_t>(~seed), 0x5a, 0xc3};
  std::string frame;
  test::append_client_frame(frame, wire::Opcode::kBinary, payload, key);
  Transcript transcript;
  read_stream(as_bytes(unmasked(frame, payload.size())), frame.size(), transcript);
  require(transcript.error.empty() && transcript.data == as_text(payload), "what we write is read back");
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const Bytes stream(data + 1, size - 1);
  Transcript whole;
  Transcript pieces;
  Transcript bytes;
  read_stream(stream, stream.size(), whole);
  read_stream(stream, data[0], pieces);
  read_stream(stream, 1, bytes);
  require(whole.same_as(pieces) && whole.same_as(bytes), "pieces are read as the whole is");
  if (stream.size() <= limits::kMaxWebSocketPayload) write_and_read(stream, data[0]);
  return 0;
}
