// What a tunnel learns about its peer, and what it notes about a peer that it does not understand.

#include <utility>

#include "base/text.h"
#include "net/tunnel.h"

namespace localproxy::net {

void Tunnel::recognise(Service& service, const wire::DataView& first) {
  service.answered = true;
  if (!format_.connection_id) return;  // we speak an older version, and so does the destination
  if (first.connection_id != 0) {
    peer_ = Peer::kCurrent;
    return;
  }
  if (std::exchange(peer_, Peer::kOlder) == Peer::kOlder) return;
  const std::string version = first.service_id.empty() ? "1" : "2";
  events_.note("the destination speaks version " + version +
               " of the protocol, which has one connection to a service at a time: from now on, a new local "
               "connection ends the one before it. Start with -y V" +
               version + " to have it so from the first one on");
  keep_first_connections();
}

// An older destination has not understood the others.
void Tunnel::keep_first_connections() {
  for (size_t i = 0; i < state_.size(); ++i) {
    Service& service = state_[i];
    while (!service.open.empty() && service.open.rbegin()->first > 1) {
      close_connection(static_cast<uint16_t>(i), service.open.rbegin()->first);
    }
  }
}

// Only a connection that sent data and got no answer is noted; a probe of the port is not.
void Tunnel::note_end(const Connection& connection) {
  if (connection.used_ && expects_answer()) {
    note_silence("a connection to service '" + services_[connection.service()] + "' has ended");
  }
}

void Tunnel::waited() {
  if (expects_answer() && open_ > 0) note_silence("connections wait");
}

void Tunnel::note_silence(const std::string& what) {
  silence_noted_ = true;
  std::string older;
  // Version 1 cannot tell several services apart.
  if (format_.connection_id) older = services_.size() == 1 ? "-y V1" : "-y V2";
  if (!format_.connection_id && format_.service_id && services_.size() == 1) older = "-y V1";
  events_.note(what +
               " without one byte from the destination, which has sent none so far: it is not "
               "connected, or its local service does not answer" +
               (older.empty() ? std::string()
                              : ", or it is an older client, such as the AWS IoT Device Client, which cannot "
                                "answer a newer version of the protocol: if so, start with " +
                                    older));
}

void Tunnel::note_nameless(const std::string& what) {
  events_.note("ignored " + what + " without a service id: this tunnel has " + join(services_) + ". A " +
               (source_ ? "destination" : "source") +
               " of version 1 works only with a tunnel of one service; it needs version 2 here" +
               (source_ ? "" : " (not -y V1)"));
}

}  // namespace localproxy::net
