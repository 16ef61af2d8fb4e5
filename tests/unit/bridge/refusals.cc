#include "tests/unit/bridge/refusals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace test = localproxy::test;

// These replace libc's.

extern "C" ssize_t splice(int from, off64_t* from_offset, int to, off64_t* to_offset, size_t size,
                          unsigned flags) {
  ++test::splices;
  if (test::splice_error == 0) return ::syscall(SYS_splice, from, from_offset, to, to_offset, size, flags);
  errno = test::splice_error;
  return -1;
}

extern "C" int fcntl(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  const long argument = va_arg(arguments, long);
  va_end(arguments);
  if (command == F_SETPIPE_SZ && test::refuse_sizes) {
    ++test::refused_sizes;
    errno = EPERM;
    return -1;
  }
#ifdef SYS_fcntl64
  return static_cast<int>(::syscall(SYS_fcntl64, fd, command, argument));
#else
  return static_cast<int>(::syscall(SYS_fcntl, fd, command, argument));
#endif
}
