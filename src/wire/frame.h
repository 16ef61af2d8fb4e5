// Cuts the byte stream of a tunnel into its messages, however it was split on the way.
#pragma once

#include <functional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace localproxy::wire {

class FrameSplitter {
 public:
  // Called with one serialised Message, which is valid only during the call. An error ends the splitting.
  using Sink = std::function<Result<>(Bytes message)>;

  // Calls sink for every message that bytes complete. A message that lies in bytes as a whole is handed on
  // without a copy; the unfinished end is kept, at most 2 + limits::kMaxMessage bytes. After an error the
  // splitter must not be used again.
  Result<> feed(Bytes bytes, const Sink& sink);

  // Bytes of an unfinished message.
  size_t pending() const { return partial_.size(); }

 private:
  std::string partial_;
};

}  // namespace localproxy::wire
