#include "wire/http_request.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/limits.h"
#include "base/secret.h"

namespace localproxy::wire {
namespace {

// Writes the head of a request that holds secrets, into memory that is reserved once and never outgrown: a
// string that grows leaves a copy of what it held behind.
class RequestWriter {
 public:
  // what: the name of the request in errors, such as "upgrade request".
  explicit RequestWriter(std::string_view what) : what_(what) { text_.reserve(limits::kMaxUpgradeRequest); }
  ~RequestWriter() { wipe(text_); }
  RequestWriter(const RequestWriter&) = delete;
  RequestWriter& operator=(const RequestWriter&) = delete;

  // extra: bytes that value may have besides visible ASCII; forbidden: visible bytes that it may not have.
  void value(std::string_view what, std::string_view value, std::string_view extra = "",
             std::string_view forbidden = "") {
    const auto allowed = [&](char c) {
      const bool visible = c > ' ' && c < 0x7f;
      return visible ? forbidden.find(c) == forbidden.npos : extra.find(c) != extra.npos;
    };
    if (value.empty()) return fail(std::string(what) + " is empty");
    const auto bad = std::find_if_not(value.begin(), value.end(), allowed);
    if (bad == value.end()) return literal(value);
    fail(std::string(what) + " has a byte that a request cannot carry, at position " +
         std::to_string(bad - value.begin() + 1));
  }
  void literal(std::string_view text) {
    if (error_) return;
    if (text.size() <= limits::kMaxUpgradeRequest - text_.size()) {
      text_ += text;
    } else {
      fail(std::string(what_) + " of more than " + std::to_string(limits::kMaxUpgradeRequest) + " bytes");
    }
  }
  // The request, or the first failure.
  Result<std::string> finish() {
    if (error_) return *error_;
    return Result<std::string>(std::move(text_));
  }

 private:
  void fail(std::string text) {
    if (!error_) error_.emplace(std::move(text));
  }
  std::string_view what_;
  std::string text_;
  std::optional<Error> error_;
};

}  // namespace

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
