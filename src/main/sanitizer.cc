// For builds with AddressSanitizer, and linked into no other. Each process looks at its end for memory that
// it has lost. One that has lost some says where, and ends with status 1; both are LeakSanitizer's doing. One
// that was asked says that it has lost none, so that a test can tell it from one that was never looked at.
//
// LeakSanitizer reads /proc and starts a process that traces this one. Where Landlock or an empty root hides
// /proc it would fail, and say so: nothing is looked for there.
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <sanitizer/lsan_interface.h>

// A helper has no environment to find options in. Without colours a report has empty pieces where they would
// be, which the monitor would take for the end of what the helper says.
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

// The variable is for the monitor: a helper's environment is empty. It is asked by being without Landlock,
// under which nobody may read the root.
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
