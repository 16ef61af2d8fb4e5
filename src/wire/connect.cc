#include "wire/connect.h"

#include "wire/http.h"
#include "wire/request_writer.h"

namespace localproxy::wire {

Result<std::string> build_connect_request(const ConnectRequest& request) {
  RequestWriter out("CONNECT request");
  out.literal("CONNECT ");
  out.value("authority", request.authority);
  out.literal(" HTTP/1.1\r\nHost: ");
  out.value("authority", request.authority);
  if (!request.credentials.empty()) {
    // RFC 7617, 2.
    std::string encoded = base64(as_bytes(request.credentials));
    out.literal("\r\nProxy-Authorization: Basic ");
    out.literal(encoded);
    wipe(encoded);
  }
  out.literal("\r\nUser-Agent: ");
  out.value("user agent", request.user_agent, " ");
  out.literal("\r\n\r\n");
  return out.finish();
}

}  // namespace localproxy::wire
