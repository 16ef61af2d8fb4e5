// Whatever datagrams a process sends to another, with descriptors or without, in any state: the channel
// admits what a second reading of the table admits, and nothing else; what a decoder takes, its encoder
// writes; and no descriptor is left open.
//
// Input: the two roles, then steps: a new state, or a datagram.
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "ipc/channel.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/ipc/all_messages.h"

using namespace localproxy;
using fuzz::require;

namespace {

constexpr size_t kRoles = static_cast<size_t>(ipc::Role::kLast) + 1;
constexpr size_t kStates = 6;
constexpr size_t kMostFds = 6;   // more than the room that a receiver has for them
constexpr size_t kPadding = 64;  // bytes; 255 times as much and a few bytes are longer than some messages

struct Datagram {
  std::string bytes;
  size_t fds = 0;
};

unsigned bit(ipc::Role role) {
  return 1U << static_cast<unsigned>(role);
}

// False: the kernel did not take it.
bool send(int socket, Datagram& datagram, int fd) {
  iovec part{datagram.bytes.data(), datagram.bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(kMostFds * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (datagram.fds > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(datagram.fds * sizeof fd);
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    require(header != nullptr, "there is room for a header");
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(datagram.fds * sizeof fd);
    for (size_t i = 0; i < datagram.fds; ++i)
      memcpy(CMSG_DATA(header) + i * sizeof fd, &fd, sizeof fd);
  }
  return ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
}

// Whether any row gives this role a descriptor. The kernel drops those that others are sent.
bool can_have_fds(ipc::Role role) {
  for (const ipc::Spec& spec : ipc::table()) {
    if (spec.fds > 0 && (spec.to & bit(role)) != 0) return true;
  }
  return false;
}

enum class Verdict : uint8_t { kAdmitted, kClosed, kViolation };

Verdict expected(const Datagram& datagram, ipc::Role self, ipc::Role peer, ipc::State state) {
  const size_t fds = can_have_fds(self) ? datagram.fds : 0;
  if (datagram.bytes.empty() && fds == 0) return Verdict::kClosed;
  ByteReader reader(as_bytes(datagram.bytes));
  uint16_t number = 0;
  if (!reader.take(number)) return Verdict::kViolation;
  for (const ipc::Spec& spec : ipc::table()) {
    if (static_cast<uint16_t>(spec.type) != number) continue;
    const bool allowed = (spec.from & bit(peer)) != 0 && (spec.to & bit(self)) != 0 &&
                         (spec.states & static_cast<uint8_t>(state)) != 0 && spec.fds == fds &&
                         reader.remaining() >= spec.least && reader.remaining() <= spec.most;
    return allowed ? Verdict::kAdmitted : Verdict::kViolation;
  }
  return Verdict::kViolation;
}

// Decodes fields as every message, whatever the table says about who may send it.
void decode(uint16_t number, Bytes fields) {
  ipc::test::for_all_messages([&]<typename M>(M message) {
    if (static_cast<uint16_t>(M::kType) != number) return;
    if (!ipc::decode_fields(fields, message)) return;
    require(ipc::test::encode(message) == as_text(fields), "what a decoder takes, its encoder writes");
    const std::string more = std::string(as_text(fields)) + '\0';
    require(!ipc::decode_fields(as_bytes(more), message), "a decoder takes no byte more");
    if (fields.empty()) return;
    M other;
    require(!ipc::decode_fields(fields.first(fields.size() - 1), other), "a decoder takes no byte less");
  });
}

void check_admitted(const ipc::Channel::Received& received, const Datagram& datagram) {
  require(received.fields.size() + 2 == datagram.bytes.size() &&
              as_text(received.fields) == std::string_view(datagram.bytes).substr(2),
          "the fields are what was sent");
  require(received.fds.first.valid() == (received.spec->fds > 0) &&
              received.fds.second.valid() == (received.spec->fds > 1),
          "a message has the descriptors of its row");
  for (const UniqueFd* const fd : {&received.fds.first, &received.fds.second}) {
    require(!fd->valid() || (::fcntl(fd->get(), F_GETFD) & FD_CLOEXEC) != 0, "descriptors close on exec");
  }
}

// False: the channel has ended.
bool exchange(ipc::Channel& channel, Datagram& datagram, Verdict verdict) {
  auto received = channel.receive();
  require(received.ok() == (verdict == Verdict::kAdmitted), "the table decides what is admitted");
  require(channel.is_violation() == (verdict == Verdict::kViolation), "the table says what a violation is");
  if (!received.ok()) {
    require(!received.error().text().empty(), "an error says something");
    return false;
  }
  require(received->has_value(), "a datagram that was sent arrives");
  check_admitted(**received, datagram);
  channel.wipe_received();
  return true;
}

Datagram read_datagram(fuzz::Script& script) {
  Datagram datagram;
  datagram.fds = script.below(kMostFds + 1);
  const size_t padding = script.byte();
  const size_t size = script.byte();
  datagram.bytes = as_text(script.take(size));
  datagram.bytes.append(padding * kPadding, '\0');
  return datagram;
}

void play(fuzz::Script script, UniqueFd passed) {
  const auto self = static_cast<ipc::Role>(script.below(kRoles));
  const auto peer = static_cast<ipc::Role>(script.below(kRoles));
  auto sockets = make_socketpair(SOCK_SEQPACKET);
  require(sockets.ok(), "there are descriptors for a pair of sockets");
  ipc::Channel channel(std::move(sockets->first), self, peer);
  while (!script.finished()) {
    if (const size_t state = script.below(kStates + 4); state < kStates) {
      channel.set_state(static_cast<ipc::State>(1U << state));
      continue;
    }
    Datagram datagram = read_datagram(script);
    if (datagram.bytes.size() >= 2) {
      const Bytes bytes = as_bytes(datagram.bytes);
      decode(load_be<uint16_t>(bytes.data()), bytes.subspan(2));
    }
    if (!send(sockets->second.get(), datagram, passed.get())) continue;
    if (!exchange(channel, datagram, expected(datagram, self, peer, channel.state()))) return;
  }
  auto none = channel.receive();
  require(none.ok() && !none->has_value(), "nothing arrives that was not sent");
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto pipe = make_pipe();
  require(pipe.ok(), "there are descriptors for a pipe");
  play(fuzz::Script({data, size}), std::move(pipe->second));
  char byte = 0;
  require(::read(pipe->first.get(), &byte, 1) == 0, "every descriptor that was passed is closed");
  return 0;
}
