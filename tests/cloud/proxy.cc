#include "proxy.h"

#include <string.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

namespace localproxy::service {

Proxy::Proxy(Host& host, event_base* base, SSL_CTX* context, UniqueFd fd, std::string address)
    : host_(host),
      tls_(context, std::move(fd)),
      output_(tls_),
      read_event_(base, tls_.fd(), EV_READ | EV_PERSIST, on_read, this),
      write_event_(base, tls_.fd(), EV_WRITE | EV_PERSIST, on_write, this),
      timer_(base, -1, 0, on_timer, this),
      input_(bounds::kInput),
      partial_(std::make_unique_for_overwrite<uint8_t[]>(bounds::kHeadRoom + bounds::kTunnelFrame)),
      last_byte_(Clock::now()) {
  facts_.address = std::move(address);
  read_event_.add();
  timer_.after(bounds::kNegotiation);
}

std::string Proxy::who() const {
  return tunnel_ == nullptr ? facts_.address : tunnel_->who(side_);
}

void Proxy::on_read(evutil_socket_t, short, void* self) {
  auto& proxy = *static_cast<Proxy*>(self);
  proxy.read();
  proxy.host_.settle();
}

void Proxy::on_write(evutil_socket_t, short, void* self) {
  auto& proxy = *static_cast<Proxy*>(self);
  proxy.flush();
  proxy.host_.settle();
}

void Proxy::on_timer(evutil_socket_t, short, void* self) {
  auto& proxy = *static_cast<Proxy*>(self);
  switch (proxy.state_) {
    case State::kTls:
    case State::kRequest:
      proxy.lost("no upgrade in time");
      break;
    case State::kDrip:
      proxy.drip();
      break;
    case State::kClosing:
      proxy.end_tls();
      break;
    case State::kEnding:
    case State::kLinger:
      proxy.die();
      break;
    case State::kOpen:
      proxy.output_.finish();
      proxy.flush();
      break;
    case State::kHung:
    case State::kDead:
      break;
  }
  proxy.host_.settle();
}

bool Proxy::may_read() {
  if (state_ == State::kDead || paused_ || blackhole_) return false;
  if (state_ != State::kOpen) return state_ != State::kDrip;
  return queued() <= bounds::kOutputStop && !tunnel_->is_full(side_);
}

void Proxy::watch_reading() {
  if (state_ == State::kDead) return;
  held_back_ = !may_read();
  if (held_back_) {
    read_event_.remove();
  } else {
    read_event_.add();
  }
}

void Proxy::resume() {
  if (!held_back_ || !may_read()) return;
  watch_reading();
  // The rest of the input may have been read already.
  read_event_.activate(EV_READ);
}

void Proxy::read() {
  if (state_ == State::kTls) {
    const TlsStream::Status status = tls_.accept();
    mark_dirty();
    if (status == TlsStream::Status::kWant) return;
    if (status != TlsStream::Status::kDone) return lost("TLS: " + tls_.error());
    state_ = State::kRequest;
  }
  if (state_ == State::kLinger) return linger();
  size_t budget = bounds::kReadBudget;
  for (;;) {
    while (may_read() && process()) {
    }
    if (!may_read() || budget == 0) break;
    size_t got = 0;
    const TlsStream::Status status = tls_.read(input_.room(bounds::kTlsRecord), got);
    if (status == TlsStream::Status::kWant) break;
    if (status != TlsStream::Status::kDone) return lost(tls_.error());
    last_byte_ = Clock::now();
    input_.commit(got);
    budget -= std::min(budget, got);
    if (!tls_.holds_input()) {
      while (may_read() && process()) {
      }
      break;
    }
  }
  watch_reading();
  if (budget == 0 && !held_back_) read_event_.activate(EV_READ);
  // Reading can make TLS write an alert, or an answer to a KeyUpdate.
  if (tls_.queued() != 0) mark_dirty();
}

// Consumes one item of the input; false when the input is incomplete.
bool Proxy::process() {
  switch (state_) {
    case State::kRequest:
      return process_request();
    case State::kOpen:
    case State::kClosing:
      return process_frame();
    case State::kTls:
    case State::kDrip:
      return false;
    case State::kHung:
    case State::kEnding:
    case State::kLinger:
    case State::kDead:
      input_.clear();
      return false;
  }
  return false;
}

bool Proxy::process_request() {
  const std::string_view text = as_text(input_.bytes());
  const auto length = head_length(text);
  if (!length && text.size() < bounds::kRequest) return false;
  std::variant<Request, Refusal> request;
  if (!length || *length > bounds::kRequest) {
    request = Refusal{431, "The request is larger than 4096 bytes"};
  } else if (*length != text.size()) {
    request = Refusal{400, "Bytes follow the request before it was answered"};
  } else {
    request = parse_request(text);
  }
  facts_.request_bytes = text.size();
  input_.clear();
  admission_ = host_.admit(std::move(request), *this);
  switch (admission_.manner) {
    case Admission::Manner::kAnswer:
      output_.raw(as_bytes(admission_.response));
      open();
      break;
    case Admission::Manner::kDrip:
      state_ = State::kDrip;
      drip();
      break;
    case Admission::Manner::kHang:
      state_ = State::kHung;
      timer_.remove();
      break;
    case Admission::Manner::kHangUp:
      shut_down();
      break;
    case Admission::Manner::kHangUpHard:
      hang_up(End::kReset);
      break;
  }
  return false;
}

void Proxy::drip() {
  output_.raw(as_bytes(std::string_view(admission_.response).substr(dripped_, 1)));
  mark_dirty();
  if (++dripped_ < admission_.response.size()) return timer_.after(bounds::kDrip);
  open();
  read_event_.activate(EV_READ);
}

// The response has been sent.
void Proxy::open() {
  mark_dirty();
  if (admission_.tunnel == nullptr) return end_tls();
  timer_.remove();
  state_ = State::kOpen;
  tunnel_ = admission_.tunnel;
  side_ = admission_.side;
  version_ = admission_.version;
  output_.set_shape(admission_.shape);
  host_.journal().accepted();
  host_.journal().log().info(who() + ": connected from " + facts_.address + ", " + facts_.subprotocol + ", " +
                             tls_.version() + ", channel " + facts_.channel_id);
  tunnel_->attach(side_, *this, admission_.say_service_ids);
}

bool Proxy::process_frame() {
  const auto decoded = decode_header(input_.bytes());
  if (std::holds_alternative<NeedMore>(decoded)) return false;
  if (const auto* wrong = std::get_if<Breach>(&decoded)) {
    breach(*wrong);
    return false;
  }
  const FrameHeader& header = std::get<FrameHeader>(decoded);
  const size_t whole = header.size + header.length;
  if (input_.size() < whole) {
    input_.room(whole - input_.size());
    return false;
  }
  const MutableBytes payload(input_.data() + header.size, header.length);
  unmask(payload, header.mask);
  if (is_control(header.opcode)) {
    on_control_frame(header.opcode, payload);
  } else if (state_ == State::kOpen) {
    auto wrong = fragmentation_.note(header.opcode, header.final);
    if (!wrong) wrong = on_tunnel_bytes(payload);
    if (wrong) breach(*wrong);
  }
  input_.consume(std::min(whole, input_.size()));
  return true;
}

// Payload of data frames, whose boundaries mean nothing. The consumed WebSocket header in front of bytes
// serves as the head-room of the first tunnel frame.
std::optional<Breach> Proxy::on_tunnel_bytes(MutableBytes bytes) {
  while (!bytes.empty()) {
    const bool fresh = partial_size_ == 0;
    if (fresh && bytes.size() >= 2) {
      const size_t whole = size_t{2} + load_be<uint16_t>(bytes.data());
      if (bytes.size() >= whole) {
        if (auto wrong = tunnel_->receive(side_, bytes.first(whole))) return wrong;
        if (state_ != State::kOpen) return std::nullopt;
        bytes = bytes.subspan(whole);
        continue;
      }
    }
    uint8_t* const partial = partial_.get() + bounds::kHeadRoom;
    const size_t wanted = partial_size_ < 2 ? 2 : size_t{2} + load_be<uint16_t>(partial);
    const size_t taken = std::min(wanted - partial_size_, bytes.size());
    memcpy(partial + partial_size_, bytes.data(), taken);
    partial_size_ += taken;
    bytes = bytes.subspan(taken);
    if (partial_size_ < 2 || partial_size_ != size_t{2} + load_be<uint16_t>(partial)) continue;
    const size_t whole = std::exchange(partial_size_, 0);
    if (auto wrong = tunnel_->receive(side_, MutableBytes(partial, whole))) return wrong;
    if (state_ != State::kOpen) return std::nullopt;
  }
  return std::nullopt;
}

void Proxy::on_control_frame(Opcode opcode, Bytes payload) {
  if (opcode == Opcode::kClose) return on_close_frame(payload);
  if (state_ != State::kOpen) return;
  if (opcode == Opcode::kPing) {
    ++facts_.pings;
    if (!host_.answers_pings(*tunnel_)) return;
    output_.control_frame(Opcode::kPong, as_text(payload));
    mark_dirty();
  } else {
    ++facts_.pongs;
    facts_.last_pong = as_text(payload);
  }
}

void Proxy::on_close_frame(Bytes payload) {
  const auto decoded = decode_close(payload);
  if (const auto* wrong = std::get_if<Breach>(&decoded)) return breach(*wrong);
  const Close& frame = std::get<Close>(decoded);
  if (state_ == State::kOpen) {
    host_.journal().log().info(who() + ": closed by the proxy, code " + std::to_string(frame.code) + " '" +
                               frame.reason + "'");
    output_.control_frame(Opcode::kClose, encode_close(frame.code, ""));
    leave_tunnel();
  }
  end_tls();
}

void Proxy::send_frame(MutableBytes frame) {
  if (state_ != State::kOpen) return;
  output_.tunnel_frame(frame);
  mark_dirty();
  if (!blackhole_ && tls_.queued() >= bounds::kFlushAt) flush();
}

void Proxy::breach(const Breach& breach) {
  if (state_ != State::kOpen) return end_tls();
  host_.journal().breach(who(), breach.reason);
  close(static_cast<uint16_t>(breach.code), breach.reason);
}

}  // namespace localproxy::service
