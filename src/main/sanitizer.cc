// Linked only into builds with AddressSanitizer. At its end each process looks for memory that it has lost.
// When there is some, LeakSanitizer says where and ends the process with status 1. When there is none, a
// process that was asked to says so, so that a test can tell it from one that never looked.
//
// LeakSanitizer reads /proc and starts a process that traces this one. Where Landlock or an empty root hides
// /proc it would fail with an error, so the check is skipped there.
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <sanitizer/lsan_interface.h>

// A helper has no environment to find options in. Without colours a report has empty pieces in their place,
// which the monitor would take for the end of the helper's output.
extern "C" const char* __asan_default_options();
const char* __asan_default_options() {
  return "color=always";
}

extern "C" const char* __ubsan_default_options();
const char* __ubsan_default_options() {
  return "color=always:halt_on_error=1";
}

extern "C" int __lsan_is_turned_off();
int __lsan_is_turned_off() {
  const int tasks = ::open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (tasks < 0) return 1;
  ::close(tasks);
  return 0;
}

namespace {

// The variable is for the monitor. A helper, whose environment is empty, is asked by running without
// Landlock, under which it could not read the root.
bool is_asked() {
  if (environ != nullptr && *environ != nullptr) return std::getenv("LOCALPROXY_TELL_LEAK_CHECK") != nullptr;
  const int root = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (root >= 0) ::close(root);
  return root >= 0;
}

// After main(), and after what was registered with atexit().
__attribute__((destructor)) void check_for_leaks() {
  if (__lsan_is_turned_off() != 0) return;
  __lsan_do_leak_check();
  if (!is_asked()) return;
  static constexpr char kText[] = "leak check: nothing was lost\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kText, sizeof kText - 1);
}

}  // namespace
