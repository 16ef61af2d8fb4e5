// The helper programs: where they are, and their files, opened once so that an upgrade during a run cannot
// mix versions.
#pragma once

#include <array>

#include "base/fd.h"
#include "base/result.h"
#include "ipc/messages.h"

namespace localproxy::monitor {

class Helpers {
 public:
  // Opens the helpers of this program: those of its installation, or those beside it in a build directory.
  // The environment has no influence on that. It is an error if one is missing, is not a plain file, cannot
  // be executed, or could be replaced by somebody who could not replace this program.
  static Result<Helpers> open();
  Helpers() = default;

  // The descriptor of a helper's program, opened with O_PATH.
  int fd(ipc::Role role) const { return files_[static_cast<size_t>(role)].get(); }
  UniqueFd null;  // /dev/null

 private:
  std::array<UniqueFd, static_cast<size_t>(ipc::Role::kLast) + 1> files_;
};

}  // namespace localproxy::monitor
