#include "fault.h"

#include <array>
#include <charconv>

namespace localproxy::service {
namespace {

struct KindName {
  Fault::Kind kind;
  std::string_view name;
};

constexpr KindName kKinds[] = {
    {Fault::Kind::kStatus, "status"},
    {Fault::Kind::kBadAccept, "bad-accept"},
    {Fault::Kind::kBadSubprotocol, "bad-subprotocol"},
    {Fault::Kind::kNoSubprotocol, "no-subprotocol"},
    {Fault::Kind::kNoUpgradeHeader, "no-upgrade-header"},
    {Fault::Kind::kNoConnectionHeader, "no-connection-header"},
    {Fault::Kind::kExtension, "extension"},
    {Fault::Kind::kNoChannelId, "no-channel-id"},
    {Fault::Kind::kGarbage, "garbage"},
    {Fault::Kind::kHugeHead, "huge-head"},
    {Fault::Kind::kCloseBeforeResponse, "close-before-response"},
    {Fault::Kind::kResetBeforeResponse, "reset-before-response"},
    {Fault::Kind::kSlowHead, "slow-head"},
    {Fault::Kind::kNoServiceIds, "no-service-ids"},
    {Fault::Kind::kHang, "hang"},
};

}  // namespace

std::optional<Fault::Kind> fault_kind(std::string_view name) {
  for (const KindName& entry : kKinds)
    if (entry.name == name) return entry.kind;
  return std::nullopt;
}

std::vector<std::string> fault_names() {
  std::vector<std::string> names;
  for (const KindName& entry : kKinds)
    names.emplace_back(entry.name);
  return names;
}

std::optional<Fault::Framing> fault_framing(std::string_view name) {
  if (name == "length") return Fault::Framing::kLength;
  if (name == "chunked") return Fault::Framing::kChunked;
  if (name == "close") return Fault::Framing::kClose;
  return std::nullopt;
}

std::optional<Fault> Faults::take(Side side) {
  for (auto fault = faults_.begin(); fault != faults_.end(); ++fault) {
    if (fault->side && *fault->side != side) continue;
    Fault taken = *fault;
    if (--fault->left == 0) faults_.erase(fault);
    return taken;
  }
  return std::nullopt;
}

unsigned Faults::left() const {
  unsigned sum = 0;
  for (const Fault& fault : faults_)
    sum += fault.left;
  return sum;
}

void spoil(const Fault& fault, Response& response) {
  switch (fault.kind) {
    case Fault::Kind::kBadAccept:
      response.set("sec-websocket-accept", accept_for("somebody else's key"));
      break;
    case Fault::Kind::kBadSubprotocol:
      response.set("sec-websocket-protocol", "aws.iot.securetunneling-9.0");
      break;
    case Fault::Kind::kNoSubprotocol:
      response.remove("sec-websocket-protocol");
      break;
    case Fault::Kind::kNoUpgradeHeader:
      response.remove("upgrade");
      break;
    case Fault::Kind::kNoConnectionHeader:
      response.remove("connection");
      break;
    case Fault::Kind::kExtension:
      response.set("sec-websocket-extensions", "permessage-deflate");
      break;
    case Fault::Kind::kNoChannelId:
      response.remove("channel-id");
      break;
    case Fault::Kind::kStatus:
    case Fault::Kind::kGarbage:
    case Fault::Kind::kHugeHead:
    case Fault::Kind::kCloseBeforeResponse:
    case Fault::Kind::kResetBeforeResponse:
    case Fault::Kind::kSlowHead:
    case Fault::Kind::kNoServiceIds:
    case Fault::Kind::kHang:
      break;
  }
}

Response make_fault_refusal(const Fault& fault, std::string_view channel_id) {
  Response response = make_refusal({fault.status, fault.body}, channel_id);
  if (!fault.retry_after.empty()) response.set("retry-after", fault.retry_after);
  if (fault.framing == Fault::Framing::kLength) return response;
  response.remove("content-length");
  if (fault.framing == Fault::Framing::kClose || fault.body.empty()) return response;
  response.set("transfer-encoding", "chunked");
  // Two chunks, so that a reader has to put them together.
  const size_t half = (fault.body.size() + 1) / 2;
  std::string body;
  for (const std::string& part : {fault.body.substr(0, half), fault.body.substr(half)}) {
    if (part.empty()) continue;
    std::array<char, 24> size{};
    const auto end = std::to_chars(size.begin(), size.end(), part.size(), 16).ptr;
    body.append(size.begin(), end).append("\r\n").append(part).append("\r\n");
  }
  response.body = body + "0\r\n\r\n";
  return response;
}

}  // namespace localproxy::service
