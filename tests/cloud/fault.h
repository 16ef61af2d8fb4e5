// Faults to inject into the next handshakes.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "handshake.h"
#include "side.h"

namespace localproxy::service {

struct Fault {
  enum class Kind {
    kStatus,  // refuse with status, body, retry_after and framing
    kBadAccept,
    kBadSubprotocol,
    kNoSubprotocol,
    kNoUpgradeHeader,
    kNoConnectionHeader,
    kExtension,
    kNoChannelId,
    kGarbage,              // bytes that are not HTTP
    kHugeHead,             // a response head that does not end
    kCloseBeforeResponse,  // the TCP connection ends without a response
    kResetBeforeResponse,
    kSlowHead,      // the response is sent byte by byte
    kNoServiceIds,  // the first message is left out
    kHang,          // nothing is ever sent
  };
  // How the body of a refusal ends.
  enum class Framing { kLength, kChunked, kClose };

  Kind kind = Kind::kStatus;
  unsigned left = 0;         // handshakes to go
  std::optional<Side> side;  // only this side's; both when absent
  int status = 503;
  std::string body;
  std::string retry_after;  // the header's value; empty: no header
  Framing framing = Framing::kLength;
};

std::optional<Fault::Kind> fault_kind(std::string_view name);
std::vector<std::string> fault_names();
std::optional<Fault::Framing> fault_framing(std::string_view name);

class Faults {
 public:
  void add(Fault fault) { faults_.push_back(std::move(fault)); }
  void clear() { faults_.clear(); }
  // The oldest fault for that side; uses up one of its handshakes.
  std::optional<Fault> take(Side side);
  unsigned left() const;

 private:
  std::deque<Fault> faults_;
};

// Spoils a good response, if the fault is of that kind.
void spoil(const Fault& fault, Response& response);

Response make_fault_refusal(const Fault& fault, std::string_view channel_id);

}  // namespace localproxy::service
