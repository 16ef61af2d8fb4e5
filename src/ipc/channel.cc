#include "ipc/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/exhaustion.h"
#include "base/limits.h"
#include "base/secret.h"

namespace localproxy::ipc {
namespace {

// Whether any message for `role` carries a descriptor.
bool takes_fds(Role role) {
  return std::ranges::any_of(table(), [role](const Spec& spec) {
    return spec.fds > 0 && (spec.to & (1U << static_cast<uint8_t>(role))) != 0;
  });
}

// Room for more descriptors than any message has, so that one too many is seen rather than cut off.
constexpr size_t kControlFds = 4;

}  // namespace

Channel::Channel(UniqueFd fd, Role self, Role peer)
    : fd_(std::move(fd)),
      self_(self),
      peer_(peer),
      takes_fds_(takes_fds(self)),
      capacity_(max_message_size() + 1),
      buffer_(std::make_unique_for_overwrite<uint8_t[]>(capacity_)) {}

Channel::~Channel() {
  for (Queued& queued : queue_)
    wipe(queued.datagram);
  wipe_received();
}

Result<> Channel::send_datagram(std::string datagram, FdPair fds) {
  Queued queued{std::move(datagram), std::move(fds)};
  if (queue_.empty()) {
    auto sent = try_send(queued);
    if (!sent) return sent.error();
    if (*sent) {
      wipe(queued.datagram);
      return {};
    }
  }
  if (queue_.size() >= limits::kMaxQueuedIpcMessages) {
    return Error("the " + std::string(to_string(peer_)) + " process does not read its messages");
  }
  queue_.push_back(std::move(queued));
  return {};
}

Result<bool> Channel::try_send(const Queued& queued) {
  ssize_t sent = 0;
  do {
    if (!queued.fds.first) {
      // write() instead of sendmsg(), which the filter of a process that passes no descriptors does not
      // allow.
      sent = ::write(fd_.get(), queued.datagram.data(), queued.datagram.size());
      continue;
    }
    const int raw[] = {queued.fds.first.get(), queued.fds.second.get()};
    const size_t raw_size = queued.fds.second ? sizeof raw : sizeof raw[0];
    iovec part{const_cast<char*>(queued.datagram.data()), queued.datagram.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof raw)] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(raw_size);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(raw_size);
    memcpy(CMSG_DATA(header), raw, raw_size);
    sent = ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  const int error = sent < 0 ? errno : 0;
  shortage_ = is_exhaustion(error) ? error : 0;
  if (sent >= 0) return true;
  if (error == EAGAIN || shortage_ != 0) return false;
  peer_gone_ = error == EPIPE || error == ECONNRESET || error == ENOTCONN;
  // Nobody will read the queue any more.
  for (Queued& waiting : queue_)
    wipe(waiting.datagram);
  queue_.clear();
  return system_error("cannot send to the " + std::string(to_string(peer_)) + " process", error);
}

Result<bool> Channel::flush() {
  while (!queue_.empty()) {
    auto sent = try_send(queue_.front());
    if (!sent) return sent.error();
    if (!*sent) return false;
    wipe(queue_.front().datagram);
    queue_.pop_front();
  }
  return true;
}

Error Channel::violation(const std::string& what) {
  violation_ = true;
  return Error("protocol violation by the " + std::string(to_string(peer_)) + " process in state " +
               std::string(to_string(state_)) + ": " + what);
}

Result<std::optional<Channel::Received>> Channel::receive() {
  ssize_t size = 0;
  Extra extra;
  do {
    size = takes_fds_ ? receive_with_fds(extra) : receive_bytes(extra);
    // A peer that closed its end with messages unread leaves one ECONNRESET, ahead of what it sent before.
  } while (size < 0 && (errno == EINTR || errno == ECONNRESET));
  if (size < 0) {
    if (errno == EAGAIN) return std::optional<Received>();
    return system_error("cannot receive from the " + std::string(to_string(peer_)) + " process", errno);
  }
  used_ = std::max(used_, std::min(static_cast<size_t>(size), capacity_));
  // Our own code never sends an empty datagram, so 0 means the end.
  if (size == 0 && extra.fds.empty() && !extra.lost_fds) return Error("closed");
  return admit(static_cast<size_t>(size), std::move(extra));
}

// The kernel closes descriptors that are sent anyway. With MSG_TRUNC a TCP socket returns no data: the filter
// of a process that handles sockets but must not read them allows no other way to receive.
ssize_t Channel::receive_bytes(Extra& extra) {
  const ssize_t size = ::recv(fd_.get(), buffer_.get(), capacity_, MSG_TRUNC);
  extra.cut = size > static_cast<ssize_t>(capacity_);
  return size;
}

ssize_t Channel::receive_with_fds(Extra& extra) {
  iovec part{buffer_.get(), capacity_};
  alignas(cmsghdr) char control[CMSG_SPACE(kControlFds * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t size = ::recvmsg(fd_.get(), &message, MSG_CMSG_CLOEXEC);
  if (size < 0) return size;
  extra.cut = (message.msg_flags & MSG_TRUNC) != 0;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int raw = -1;
      memcpy(&raw, CMSG_DATA(header) + i * sizeof raw, sizeof raw);
      extra.fds.emplace_back(raw);
    }
  }
  // Either there were more than any message has, or this process has no room for one (EMFILE and the like).
  // recvmsg() reports the latter in no other way, and it is not the peer's fault.
  extra.lost_fds = (message.msg_flags & MSG_CTRUNC) != 0;
  return size;
}

Result<std::optional<Channel::Received>> Channel::admit(size_t size, Extra extra) {
  if (extra.cut || (extra.lost_fds && extra.fds.size() == kControlFds))
    return violation("a message was cut off");
  uint16_t number = 0;
  ByteReader reader(Bytes(buffer_.get(), size));
  if (!reader.take(number)) return violation("a message without a number");
  const Spec* spec = find_spec(number);
  if (spec == nullptr) return violation("unknown message " + std::to_string(number));
  const std::string name(spec->name);
  const auto bit = [](Role role) { return 1U << static_cast<uint8_t>(role); };
  if ((spec->from & bit(peer_)) == 0 || (spec->to & bit(self_)) == 0) {
    return violation(name + " is not for this direction");
  }
  if ((spec->states & static_cast<uint8_t>(state_)) == 0) return violation(name + " is not allowed now");
  const size_t length = size - sizeof number;
  if (length < spec->least || length > spec->most) {
    return violation(name + " of " + std::to_string(length) + " bytes");
  }
  const bool lost = extra.lost_fds && extra.fds.size() < spec->fds;
  if (!lost && (extra.lost_fds || extra.fds.size() != spec->fds))
    return violation(name + " with " + std::to_string(extra.fds.size()) + " descriptors");
  Received received{spec, Bytes(buffer_.get() + sizeof number, length), FdPair()};
  if (!lost && spec->fds > 0) received.fds.first = std::move(extra.fds[0]);
  if (!lost && spec->fds > 1) received.fds.second = std::move(extra.fds[1]);
  return std::optional<Received>(std::move(received));
}

void Channel::wipe_received() {
  wipe(buffer_.get(), used_);
}

}  // namespace localproxy::ipc
