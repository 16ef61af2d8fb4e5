#include "net/outbox.h"

#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "tls/session.h"
#include "wire/data.h"

namespace localproxy::net {
namespace {

// The most bytes in front of a payload: the headers of a DATA message with a full payload.
constexpr size_t kMaxHead = wire::kMaxClientHeader + wire::kMaxDataPrefix;

}  // namespace

void Outbox::give_back() {
  if (empty()) std::vector<uint8_t>().swap(buffer_);
}

MutableBytes Outbox::payload_room() {
  static_assert(kMaxAround >= kMaxHead + wire::kMaxDataSuffix);
  static_assert(kMessageRoom == kMaxAround + limits::kMaxPayload);
  static_assert(kMessageRoom <= limits::kTunnelOutputBudget);
  check(has_room(), "the outbox is full");
  if (buffer_.size() < limits::kTunnelOutputBudget) buffer_.resize(limits::kTunnelOutputBudget);
  return MutableBytes(buffer_).subspan(end_ + kMaxHead, limits::kMaxPayload);
}

void Outbox::commit_data(const Route& route, size_t size) {
  const size_t prefix = wire::data_prefix_size(route.stream_id, size);
  const size_t suffix = wire::data_suffix_size(route.service_id, route.connection_id);
  const size_t frame = prefix + size + suffix;
  const size_t header = wire::client_header_size(frame);
  uint8_t* const start = buffer_.data() + end_;
  const uint8_t* const payload = start + kMaxHead;
  const wire::MaskKey key = next_key();

  wire::write_client_header(start, wire::Opcode::kBinary, frame, key);
  uint8_t* at = start + header;
  wire::write_data_prefix(at, route.stream_id, size, suffix);
  wire::mask(at, at, prefix, key, 0);
  at += prefix;
  // Masking also moves the payload right behind its headers: closing the gap costs nothing extra.
  wire::mask(at, payload, size, key, prefix);
  at += size;
  wire::write_data_suffix(at, route.service_id, route.connection_id);
  wire::mask(at, at, suffix, key, prefix + size);
  end_ += header + frame;
  ++messages_;
}

void Outbox::append(const wire::Message& message) {
  std::string frame;
  wire::append_frame(message, frame);
  append_control(wire::Opcode::kBinary, as_bytes(frame));
  ++messages_;
}

void Outbox::append_control(wire::Opcode opcode, Bytes payload) {
  const size_t header = wire::client_header_size(payload.size());
  reserve(header + payload.size());
  const wire::MaskKey key = next_key();
  uint8_t* const at = buffer_.data() + end_;
  wire::write_client_header(at, opcode, payload.size(), key);
  wire::mask(at + header, payload.data(), payload.size(), key, 0);
  end_ += header + payload.size();
}

void Outbox::consume(size_t size) {
  begin_ += size;
  if (begin_ == end_) begin_ = end_ = 0;
}

void Outbox::reserve(size_t size) {
  if (buffer_.size() - end_ >= size) return;
  // A buffer without memory has no address, either.
  if (!empty()) memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  if (buffer_.size() - end_ < size) buffer_.resize(end_ + size);
}

wire::MaskKey Outbox::next_key() {
  if (next_key_ == keys_.size()) {
    tls::random_bytes(keys_);
    next_key_ = 0;
  }
  wire::MaskKey key;
  memcpy(key.data(), keys_.data() + next_key_, key.size());
  next_key_ += key.size();
  return key;
}

}  // namespace localproxy::net
