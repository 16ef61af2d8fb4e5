#include "wire/upgrade.h"

#include <optional>

#include "wire/request_writer.h"

namespace localproxy::wire {

Result<std::string> build_upgrade_request(const UpgradeRequest& request) {
  RequestWriter out("upgrade request");
  out.literal("GET /tunnel?local-proxy-mode=");
  out.value("mode", request.mode, "", "&#");
  out.literal(" HTTP/1.1\r\nHost: ");
  out.value("host name", request.host);
  if (request.port != "443") {
    out.literal(":");
    out.value("port", request.port);
  }
  out.literal("\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Key: ");
  out.value("WebSocket key", request.key);
  out.literal("\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ");
  out.value("subprotocol", request.subprotocol);
  out.literal("\r\naccess-token: ");
  out.value("access token", request.access_token, "", ",");
  if (!request.client_token.empty()) {
    out.literal("\r\nclient-token: ");
    out.value("client token", request.client_token, "", ",");
  }
  out.literal("\r\nUser-Agent: ");
  out.value("user agent", request.user_agent, " ");
  out.literal("\r\n\r\n");
  return out.finish();
}

Result<> check_upgrade_response(const HttpResponse& response, std::string_view expected_accept,
                                std::string_view subprotocol) {
  if (!response.header_has_token("Upgrade", "websocket"))
    return Error("upgrade response without Upgrade: websocket");
  if (!response.header_has_token("Connection", "upgrade"))
    return Error("upgrade response without Connection: upgrade");
  const std::optional<std::string> accept = response.header("Sec-WebSocket-Accept");
  if (!accept) return Error("upgrade response without Sec-WebSocket-Accept");
  if (*accept != expected_accept)
    return Error("upgrade response whose Sec-WebSocket-Accept is not that of our key");
  const std::optional<std::string> chosen = response.header("Sec-WebSocket-Protocol");
  if (!chosen) return Error("upgrade response without a subprotocol; asked for " + std::string(subprotocol));
  if (*chosen != subprotocol) {
    return Error("upgrade response with subprotocol " + *chosen + "; asked for " + std::string(subprotocol));
  }
  const std::optional<std::string> extensions = response.header("Sec-WebSocket-Extensions");
  if (extensions && !extensions->empty()) {
    return Error("upgrade response with extension " + *extensions + ", which was not offered");
  }
  return {};
}

}  // namespace localproxy::wire
