// One end of a SOCK_SEQPACKET socketpair between two of our processes: datagrams with no, one or two
// descriptors.
//
// It checks each datagram against the table (ipc/table.h): type, direction, state, length, descriptors. It
// has no event loop; ipc/port.h adds that.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/result.h"
#include "ipc/messages.h"

namespace localproxy::ipc {

class Channel {
 public:
  // self: the role of this process; peer: the role of the other end.
  Channel(UniqueFd fd, Role self, Role peer);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  int fd() const { return fd_.get(); }
  State state() const { return state_; }
  void set_state(State state) { state_ = state; }

  // Sends a message of the table, now or when flush() can. Messages keep their order. An error: the peer is
  // gone, or limits::kMaxQueuedIpcMessages are queued already.
  template <typename M>
  Result<> send(const M& message, FdPair fds = {}) {
    std::string datagram;
    datagram.reserve(sizeof(uint16_t) + TupleSize<Fields<M>>::kMost);
    put(datagram, M::kType);
    encode_fields(message, datagram);
    return send_datagram(std::move(datagram), std::move(fds));
  }
  template <typename M>
  Result<> send(const M& message, UniqueFd fd) {
    return send(message, FdPair{std::move(fd), UniqueFd()});
  }

  // Sends queued messages. True: the queue is empty.
  Result<bool> flush();
  // Whether flush() can do something once the socket is writable.
  bool wants_write() const { return !queue_.empty() && shortage_ == 0; }
  // Not 0: the errno with which the kernel refuses the first queued message (is_exhaustion()). Only time
  // helps.
  int shortage() const { return shortage_; }
  // Whether the peer has closed its end. What it sent before can still be received; nothing can be sent.
  bool peer_gone() const { return peer_gone_; }
  // Messages that wait because the peer is busy.
  size_t queued() const { return queue_.size(); }

  struct Received {
    const Spec* spec = nullptr;
    Bytes fields;  // valid until the next receive()
    FdPair fds;    // none although the table has some: this process had no room for all of them (EMFILE)
  };
  // One message that the table allows now. Empty: no message has arrived. An error: the peer is gone
  // ("closed"), or it broke the table's rules; is_violation() tells which.
  Result<std::optional<Received>> receive();
  bool is_violation() const { return violation_; }

  // Overwrites the buffer of the last message.
  void wipe_received();

 private:
  struct Queued {
    std::string datagram;
    FdPair fds;  // the second only with the first
  };
  Result<> send_datagram(std::string datagram, FdPair fds);
  // What arrived besides the bytes of a datagram.
  struct Extra {
    std::vector<UniqueFd> fds;
    bool lost_fds = false;  // the kernel had to drop some
    bool cut = false;       // the datagram was longer than any message
  };
  // True: sent. False: the socket is full, or there is a shortage().
  Result<bool> try_send(const Queued& queued);
  ssize_t receive_bytes(Extra& extra);
  ssize_t receive_with_fds(Extra& extra);
  Error violation(const std::string& what);
  Result<std::optional<Received>> admit(size_t size, Extra extra);

  UniqueFd fd_;
  Role self_;
  Role peer_;
  bool takes_fds_;
  State state_ = State::kStart;
  bool violation_ = false;
  bool peer_gone_ = false;
  int shortage_ = 0;
  std::deque<Queued> queue_;
  // Not initialised: of the room for the longest message, only the pages that messages have needed are
  // memory.
  const size_t capacity_;
  const std::unique_ptr<uint8_t[]> buffer_;
  size_t used_ = 0;  // bytes at its beginning that have held a message
};

}  // namespace localproxy::ipc
