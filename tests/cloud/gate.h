// Decides about upgrades: checks request and token, and applies the faults that a test asked for.
#pragma once

#include <variant>

#include "fault.h"
#include "handshake.h"
#include "journal.h"
#include "proxy.h"
#include "registry.h"

namespace localproxy::service {

class Gate {
 public:
  Gate(Registry& registry, Journal& journal) : registry_(registry), journal_(journal) {}

  Faults& faults() { return faults_; }
  // Fills in the facts about the request. Does not change the admission's shape.
  Admission admit(std::variant<Request, Refusal> request, Proxy::Facts& facts);

 private:
  Admission refuse(const Refusal& refusal, const Proxy::Facts& facts);
  std::optional<Admission> fail(const Fault& fault, const Proxy::Facts& facts);

  Registry& registry_;
  Journal& journal_;
  Faults faults_;
};

}  // namespace localproxy::service
