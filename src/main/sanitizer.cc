// For builds with AddressSanitizer, and linked into no other: a program that has lost no memory says so at
// its end, so that a test can tell it from one that was never looked at. One that has says where, and ends
// with status 1; both are LeakSanitizer's doing.
//
// LeakSanitizer reads /proc and starts a process that traces this one, so that it fails, and says so, under
// Landlock and in the namespaces of net and bridge.
#include <unistd.h>

#include <sanitizer/lsan_interface.h>

// A helper has no environment to find options in. Without colours a report has empty pieces where they would
// be, which the monitor would take for the end of what the helper says.
extern "C" const char* __asan_default_options();
const char* __asan_default_options() {
  return "color=always";
}

namespace {

// After main(), and after what was registered with atexit().
__attribute__((destructor)) void check_for_leaks() {
  __lsan_do_leak_check();
  static constexpr char kText[] = "leak check: nothing was lost\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, kText, sizeof kText - 1);
}

}  // namespace
