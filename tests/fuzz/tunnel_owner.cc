#include "tests/fuzz/tunnel_owner.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "tests/fuzz/fuzz.h"

namespace localproxy::fuzz {

using net::LocalChannel;
using wire::Message;
using wire::MessageType;

namespace {

constexpr uint32_t kMostConnections = 4;  // of one service
constexpr size_t kPiece = 16'384;         // bytes
constexpr int kIdleTurns = 4;             // of the loop: nothing happens any more

}  // namespace

// Notes what the tunnel delivers.
class TunnelOwner::Recorded : public LocalChannel {
 public:
  Recorded(event::Loop& loop, net::ConnectionNumber number, uint16_t service, net::Sender& sender,
           net::LocalChannelEvents& events, Carried& carried)
      : LocalChannel(loop, number, service, std::chrono::hours(1), sender, events), carried_(carried) {}
  void deliver(Bytes bytes) override {
    carried_.delivered += as_text(bytes);
    LocalChannel::deliver(bytes);
  }

 private:
  Carried& carried_;
};

TunnelOwner::TunnelOwner(bool source, std::vector<std::string> services, int version)
    : sender_(loop_, [] {}),
      deferred_(loop_),
      source_(source),
      tunnel_(source, std::move(services), net::format_of_version(version), 1, kMostConnections, *this) {
  ::signal(SIGPIPE, SIG_IGN);
}

TunnelOwner::~TunnelOwner() = default;

// ---- the local side ----

Carried& TunnelOwner::add(uint16_t service) {
  const net::ConnectionNumber number = next_number_++;
  Carried& carried = connections_[number];
  carried.service = service;
  auto in = make_socketpair(SOCK_STREAM);
  auto out = make_pipe();
  require(in.ok() && out.ok(), "there are descriptors for a channel");
  carried.ours = {std::move(in->first), std::move(out->second)};
  carried.local = {std::move(out->first), std::move(in->second)};
  carried.channel = std::make_unique<Recorded>(loop_, number, service, sender_, *this, carried);
  return carried;
}

void TunnelOwner::connect(uint16_t service, bool attach_now) {
  Carried& carried = add(service);
  take_sent();
  opening_ = &carried;
  tunnel_.local_opened(*carried.channel);
  take_sent();
  if (attach_now) attach(carried);
}

void TunnelOwner::attach(Carried& carried) {
  if (carried.channel && !carried.channel->attached()) carried.channel->attach(std::move(carried.ours));
}

void TunnelOwner::fail(Carried& carried) {
  if (carried.channel && !carried.channel->attached()) on_broken(*carried.channel);
}

void TunnelOwner::write(Carried& carried, std::string bytes) {
  if (!carried.local.second) return;
  const ssize_t size = ::write(carried.local.second.get(), bytes.data(), bytes.size());
  if (size > 0) carried.written.append(bytes, 0, static_cast<size_t>(size));
}

void TunnelOwner::end(Carried& carried) {
  carried.local.second.reset();
}

void TunnelOwner::read(Carried& carried, size_t most) {
  if (!carried.local.first) return;
  std::string bytes(most, '\0');
  const ssize_t size = ::read(carried.local.first.get(), bytes.data(), bytes.size());
  if (size <= 0) {
    const bool over = size == 0 && most > 0;
    if (over && carried.flushed)
      require(carried.read == carried.delivered.size(), "nothing is lost at the end of a connection");
    return;
  }
  bytes.resize(static_cast<size_t>(size));
  require(carried.delivered.compare(carried.read, bytes.size(), bytes) == 0,
          "what is delivered is what arrives");
  carried.read += bytes.size();
}

void TunnelOwner::close(Carried& carried) {
  carried.local_closed = true;
  carried.local.first.reset();
}

void TunnelOwner::stall(Carried& carried) {
  if (carried.channel && (carried.channel->full() || carried.channel->finishing()))
    on_stalled(*carried.channel);
}

// ---- net, as net_process.cc does it ----

net::Connection* TunnelOwner::open(uint16_t service) {
  Carried& carried = add(service);
  carried.stream_id = receiving_->stream_id;
  carried.connection_id = std::max<uint32_t>(receiving_->connection_id, 1);
  return carried.channel.get();
}

void TunnelOwner::on_local_end(LocalChannel& channel) {
  Carried& carried = of(channel);
  require(!carried.local.second, "a local side has ended only when it has");
  tunnel_.local_closed(channel);
  channel.finish();
}

void TunnelOwner::on_broken(LocalChannel& channel) {
  tunnel_.local_closed(channel);
  discard(channel);
}

void TunnelOwner::on_backlog(LocalChannel&, bool full) {
  full_ = full ? full_ + 1 : full_ - 1;
}

void TunnelOwner::on_stalled(LocalChannel& channel) {
  tunnel_.local_closed(channel);
  discard(channel);
}

void TunnelOwner::on_flushed(LocalChannel& channel) {
  of(channel).flushed = true;
  discard(channel);
}

void TunnelOwner::discard(LocalChannel& channel) {
  if (channel.given_up()) return;
  channel.give_up();
  tunnel_.forget(channel);
  if (channel.full()) on_backlog(channel, false);
  deferred_.destroy(std::move(of(channel).channel));
}

// ---- the service ----

bool TunnelOwner::names(const Message& message, const Carried& carried) const {
  if (message.stream_id != carried.stream_id) return false;
  return message.service_id.empty() ? services().size() == 1
                                    : message.service_id == services()[carried.service];
}

Carried* TunnelOwner::addressee(const Message& data) {
  for (auto& [number, carried] : connections_) {
    if (carried.channel && carried.channel->open() && names(data, carried) &&
        carried.connection_id == std::max<uint32_t>(data.connection_id, 1))
      return &carried;
  }
  return nullptr;
}

bool TunnelOwner::receive(Bytes bytes) {
  take_sent();
  const Result<Message> message = wire::decode_message(bytes);
  if (!message) {
    require(!tunnel_.receive(bytes).ok(), "what is no message is an error");
    return false;
  }
  const bool data = message->type == MessageType::kData && message->stream_id != 0;
  Carried* const to = data ? addressee(*message) : nullptr;
  std::string expected;
  if (to != nullptr) expected = to->delivered + message->payload;
  size_t before = 0;
  for (const auto& [number, carried] : connections_)
    before += carried.delivered.size();

  receiving_ = &*message;
  const Result<> received = tunnel_.receive(bytes);
  receiving_ = nullptr;

  if (to != nullptr) require(to->delivered == expected, "data reaches the connection that it names");
  for (const auto& [number, carried] : connections_)
    before -= carried.delivered.size();
  require(before + (to != nullptr ? message->payload.size() : 0) == 0, "data reaches no other connection");
  return received.ok();
}

void TunnelOwner::block(bool blocked) {
  blocked_ = blocked;
  sender_.set_blocked(blocked);
  take_sent();
}

// The service reads all that the outbox has, and takes it apart.
void TunnelOwner::take_sent() {
  net::Outbox& outbox = sender_.outbox();
  ByteReader reader(outbox.pending());
  while (reader.remaining() > 0) {
    uint8_t first = 0;
    uint8_t length = 0;
    require(reader.take(first) && first == 0x82, "only whole binary messages are sent");
    require(reader.take(length) && (length & 0x80) != 0, "what is sent is masked");
    uint64_t size = length & 0x7fU;
    if (uint16_t wide = 0; size == 126 && reader.take(wide))
      size = wide;
    else if (size == 127)
      reader.take(size);
    Bytes key;
    Bytes masked;
    require(reader.take(key, 4) && reader.take(masked, size), "frames are as long as they say");
    std::string plain(as_text(masked));
    for (size_t i = 0; i < plain.size(); ++i)
      plain[i] = static_cast<char>(static_cast<uint8_t>(plain[i]) ^ key[i % 4]);
    const Result<> split = splitter_.feed(as_bytes(plain), [this](Bytes bytes) -> Result<> {
      const Result<Message> message = wire::decode_message(bytes);
      require(message.ok(), "what is sent is a message");
      on_sent(*message);
      return {};
    });
    require(split.ok(), "what is sent is frames");
  }
  outbox.consume(outbox.size());
}

void TunnelOwner::on_sent(const Message& message) {
  switch (message.type) {
    case MessageType::kStreamStart:
    case MessageType::kConnectionStart:
      require(source_ && opening_ != nullptr, "each start is of one connection of a source");
      opening_->stream_id = message.stream_id;
      opening_->connection_id = std::max<uint32_t>(message.connection_id, 1);
      require(names(message, *opening_), "a start names the service");
      opening_ = nullptr;
      return;
    case MessageType::kData:
      return on_sent_data(message);
    case MessageType::kConnectionReset:
    case MessageType::kStreamReset:
      for (auto& [number, carried] : connections_) {
        const bool whole = message.type == MessageType::kStreamReset;
        if (&carried != opening_ && names(message, carried) &&
            (whole || carried.connection_id == std::max<uint32_t>(message.connection_id, 1)) &&
            (!carried.channel || !carried.channel->open()))
          carried.reset_sent = true;
      }
      return;
    default:
      require(false, "no other messages are sent");
  }
}

void TunnelOwner::on_sent_data(const Message& message) {
  // The latest: numbers of streams may be used again.
  for (auto at = connections_.rbegin(); at != connections_.rend(); ++at) {
    Carried& carried = at->second;
    if (!names(message, carried)) continue;
    if (message.connection_id != 0 && message.connection_id != carried.connection_id) continue;
    require(!carried.reset_sent, "no data follows a reset");
    require(carried.written.compare(carried.framed, message.payload.size(), message.payload) == 0,
            "what a local side writes is what is sent");
    carried.framed += message.payload.size();
    return;
  }
  require(false, "all data is of a connection");
}

// ---- the loop ----

void TunnelOwner::turn() {
  event_base_loop(loop_.base(), EVLOOP_NONBLOCK);
  if (blocked_) return;
  take_sent();
  sender_.serve_waiting();
  take_sent();
}

void TunnelOwner::settle() {
  block(false);
  for (int idle = 0; idle < kIdleTurns; ++idle) {
    turn();
    for (auto& [number, carried] : connections_) {
      const size_t before = carried.read + carried.framed;
      read(carried, kPiece);
      if (carried.read + carried.framed != before || carried.framed != carried.seen) idle = 0;
      carried.seen = carried.framed;
    }
  }
  size_t full = 0;
  for (const auto& [number, carried] : connections_) {
    if (!carried.channel) continue;
    full += carried.channel->full() ? 1U : 0U;
    if (!carried.channel->attached()) continue;
    if (carried.channel->open())
      require(carried.framed == carried.written.size(), "all that a local side writes is sent");
    if (carried.local_closed) continue;
    require(carried.read == carried.delivered.size(), "all that the tunnel delivers arrives");
    require(!carried.channel->finishing(), "a connection that has nothing left to deliver ends");
  }
  require(full == full_, "the tunnel is paused for connections that are full");
}

Carried* TunnelOwner::find(size_t index) {
  const auto found = connections_.find(static_cast<net::ConnectionNumber>(index + 1));
  return found == connections_.end() ? nullptr : &found->second;
}

}  // namespace localproxy::fuzz
