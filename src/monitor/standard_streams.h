// Standard input and output as the local client of a source (-s SERVICE=-), for ssh's ProxyCommand.
#pragma once

#include <array>

#include "base/result.h"

namespace localproxy::monitor {

// Makes both non-blocking for as long as it lives. Whoever else has them open (a shell, most of all) finds
// them at the end as they were.
class StandardStreams {
 public:
  // An error: one of them is a file, or something else that cannot be waited for.
  Result<> prepare();
  StandardStreams() = default;
  ~StandardStreams();
  StandardStreams(const StandardStreams&) = delete;
  StandardStreams& operator=(const StandardStreams&) = delete;

 private:
  std::array<int, 2> flags_{-1, -1};  // as they were; -1: not touched
};

}  // namespace localproxy::monitor
