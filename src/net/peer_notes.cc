#include "net/peer_notes.h"

#include "base/text.h"

namespace localproxy::net {

std::string older_destination_note(const wire::DataView& first) {
  const std::string version = first.service_id.empty() ? "1" : "2";
  return "the destination speaks version " + version +
         " of the protocol, which has one connection to a service at a time: from now on, a new local "
         "connection ends the one before it. Start with -y V" +
         version + " to have it so from the first one on";
}

std::string silence_note(const std::string& what, const Format& format, size_t services) {
  std::string older;
  // Version 1 cannot tell several services apart.
  if (format.connection_id) older = services == 1 ? "-y V1" : "-y V2";
  if (!format.connection_id && format.service_id && services == 1) older = "-y V1";
  return what +
         " without one byte from the destination, which has sent none so far: it is not "
         "connected, or its local service does not answer" +
         (older.empty() ? std::string()
                        : ", or it is an older client, such as the AWS IoT Device Client, which cannot "
                          "answer a newer version of the protocol: if so, start with " +
                              older);
}

std::string nameless_note(const std::string& what, bool source, const std::vector<std::string>& services) {
  return "ignored " + what + " without a service id: this tunnel has " + join(services) + ". A " +
         (source ? "destination" : "source") +
         " of version 1 works only with a tunnel of one service; it needs version 2 here" +
         (source ? "" : " (not -y V1)");
}

}  // namespace localproxy::net
