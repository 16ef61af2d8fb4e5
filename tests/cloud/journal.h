// What the service logs and remembers about its proxies: breaches and refusals.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "base/log.h"
#include "side.h"

namespace localproxy::service {

class Journal {
 public:
  explicit Journal(Log& log) : log_(log) {}

  // A proxy broke the protocol: one line "breach: SIDE of TUNNEL: REASON".
  void breach(std::string_view who, std::string_view reason);
  // An upgrade was refused.
  void refused(int status, std::string_view reason);
  void accepted() { ++accepted_count_; }

  Log& log() { return log_; }
  const std::deque<std::string>& breaches() const { return breaches_; }
  const std::deque<std::string>& refusals() const { return refusals_; }
  uint64_t breach_count() const { return breach_count_; }
  uint64_t accepted_count() const { return accepted_count_; }
  uint64_t refused_count() const { return refused_count_; }

 private:
  Log& log_;
  std::deque<std::string> breaches_;  // the last bounds::kJournal
  std::deque<std::string> refusals_;
  uint64_t breach_count_ = 0;
  uint64_t accepted_count_ = 0;
  uint64_t refused_count_ = 0;
};

}  // namespace localproxy::service
