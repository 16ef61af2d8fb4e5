#include "gate.h"

#include "files.h"

namespace localproxy::service {
namespace {

// Looks like a real id: five groups of hexadecimal digits.
std::string make_channel_id() {
  const std::string digits = random_hex(28);
  return digits.substr(0, 16) + "-" + digits.substr(16, 8) + "-" + digits.substr(24, 8) + "-" +
         digits.substr(32, 16) + "-" + digits.substr(48, 8);
}

Headers without_secrets(Headers headers) {
  for (auto& [name, value] : headers)
    if (name == "access-token" || name == "client-token" || name == "cookie") value = "(hidden)";
  return headers;
}

}  // namespace

Admission Gate::refuse(const Refusal& refusal, const Proxy::Facts& facts) {
  journal_.refused(refusal.status, refusal.reason);
  return {.response = make_refusal(refusal, facts.channel_id).serialise()};
}

// The faults that leave the request unanswered, or answer it without checking it.
std::optional<Admission> Gate::fail(const Fault& fault, const Proxy::Facts& facts) {
  switch (fault.kind) {
    case Fault::Kind::kStatus:
      journal_.refused(fault.status, "fault: " + fault.body);
      return Admission{.response = make_fault_refusal(fault, facts.channel_id).serialise()};
    case Fault::Kind::kGarbage:
      return Admission{.response = "\x01\x02 this is no HTTP \xff\xfe\r\n\r\n"};
    case Fault::Kind::kHugeHead: {
      Admission admission{.response = "HTTP/1.1 101 Switching Protocols\r\n"};
      for (int i = 0; i < 64; ++i)
        admission.response += "x-filler: " + std::string(1024, 'x') + "\r\n";
      return admission;
    }
    case Fault::Kind::kCloseBeforeResponse:
      return Admission{.manner = Admission::Manner::kHangUp};
    case Fault::Kind::kResetBeforeResponse:
      return Admission{.manner = Admission::Manner::kHangUpHard};
    case Fault::Kind::kHang:
      return Admission{.manner = Admission::Manner::kHang};
    case Fault::Kind::kBadAccept:
    case Fault::Kind::kBadSubprotocol:
    case Fault::Kind::kNoSubprotocol:
    case Fault::Kind::kNoUpgradeHeader:
    case Fault::Kind::kNoConnectionHeader:
    case Fault::Kind::kExtension:
    case Fault::Kind::kNoChannelId:
    case Fault::Kind::kSlowHead:
    case Fault::Kind::kNoServiceIds:
      break;
  }
  return std::nullopt;
}

Admission Gate::admit(std::variant<Request, Refusal> request, Proxy::Facts& facts) {
  facts.channel_id = make_channel_id();
  if (const auto* refusal = std::get_if<Refusal>(&request)) return refuse(*refusal, facts);
  const Request& read = std::get<Request>(request);
  facts.headers = without_secrets(read.headers);
  const auto checked = check_upgrade(read);
  if (const auto* refusal = std::get_if<Refusal>(&checked)) return refuse(*refusal, facts);
  const Upgrade& upgrade = std::get<Upgrade>(checked);
  facts.subprotocol = upgrade.subprotocol;

  const std::optional<Fault> fault = faults_.take(upgrade.side);
  if (fault) {
    journal_.log().info("fault for a " + std::string(to_string(upgrade.side)));
    if (auto failed = fail(*fault, facts)) return std::move(*failed);
  }
  const auto admitted = registry_.admit(upgrade);
  if (const auto* refusal = std::get_if<Refusal>(&admitted)) return refuse(*refusal, facts);

  Response response = make_switch(upgrade, facts.channel_id);
  if (fault) spoil(*fault, response);
  const bool slow = fault && fault->kind == Fault::Kind::kSlowHead;
  return {.manner = slow ? Admission::Manner::kDrip : Admission::Manner::kAnswer,
          .response = response.serialise(),
          .tunnel = std::get<Tunnel*>(admitted),
          .side = upgrade.side,
          .version = upgrade.version,
          .say_service_ids = !(fault && fault->kind == Fault::Kind::kNoServiceIds)};
}

}  // namespace localproxy::service
