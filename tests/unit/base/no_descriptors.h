// Leaves the process without a free descriptor, or with few, for a while.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace localproxy::test {

// While it lives, every call that would open a descriptor fails with EMFILE, after the first `free` ones;
// open ones stay open.
class NoDescriptors {
 public:
  explicit NoDescriptors(rlim_t free = 0) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    // Descriptors that are free among the open ones count, too.
    int first_refused = 0;
    for (rlim_t left = free + 1; left > 0; ++first_refused) {
      if (::fcntl(first_refused, F_GETFD) < 0) --left;
    }
    const rlimit few{static_cast<rlim_t>(first_refused - 1), before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &few);
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
};

}  // namespace localproxy::test
