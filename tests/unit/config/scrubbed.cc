// Run by scrub_test.cc: parses its command line like localproxy, scrubs it, and prints what /proc and its own
// memory still contain. Its secrets are only where localproxy's would be.
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <array>
#include <string_view>

#include "base/fd.h"
#include "build_config.h"
#include "config/command_line.h"
#include "tests/unit/config/marker.h"

namespace {

using localproxy::UniqueFd;
namespace config = localproxy::config;
using config::test::kMarkerSize;
using config::test::marker_byte;

const char* look_up(const char* name) {
  return getenv(name);
}

// Whether a marker (marker.h) is there. It is generated during the search, so as not to be found itself. It
// is longer than a vector register, because parts of a token in registers cannot be avoided.
bool marker_at(const volatile char* bytes) {
  for (size_t i = 0; i < kMarkerSize; ++i)
    if (bytes[i] != marker_byte(i)) return false;
  return true;
}

// A file of /proc on one line, zero bytes as '|'.
void show(const char* name, const char* path) {
  static std::array<char, 65'536> buffer;
  const UniqueFd file(open(path, O_RDONLY | O_CLOEXEC));
  size_t size = 0;
  for (ssize_t got; (got = read(file.get(), buffer.data() + size, buffer.size() - size)) > 0;)
    size += static_cast<size_t>(got);
  printf("%s=", name);
  for (size_t i = 0; i < size; ++i)
    (void)putchar(buffer[i] == '\0' ? '|' : buffer[i]);
  (void)putchar('\n');
  localproxy::wipe(buffer.data(), buffer.size());
}

// Counts the marker in all memory that can be written to.
void count_in_memory() {
  FILE* maps = fopen("/proc/self/maps", "re");
  static std::array<char, 1024> line;
  int count = 0;
  while (maps != nullptr && fgets(line.data(), line.size(), maps) != nullptr) {
    uintptr_t start = 0;
    uintptr_t end = 0;
    std::array<char, 8> rights{};
    if (sscanf(line.data(), "%lx-%lx %4s", &start, &end, rights.data()) != 3) continue;  // NOLINT
    if (rights[0] != 'r' || rights[1] != 'w' || strstr(line.data(), "[vvar]") != nullptr) continue;
    for (uintptr_t at = start; at + kMarkerSize <= end; ++at)
      if (marker_at(reinterpret_cast<const volatile char*>(at))) ++count;  // NOLINT
  }
  if (maps != nullptr) (void)fclose(maps);
  printf("copies=%d\n", count);
}

}  // namespace

int main(int argc, char** argv) {
  auto outcome = config::parse_command_line(argc, argv, look_up);
  config::scrub_arguments(argc, argv, environ);
  if (!outcome) printf("error=%s\n", outcome.error().text().c_str());
  show("cmdline", "/proc/self/cmdline");
  show("environ", "/proc/self/environ");
  for (int i = 0; i < argc; ++i)
    printf("argv%d=%s\n", i, argv[i] == nullptr ? "null" : argv[i]);
  for (char** variable = environ; *variable != nullptr; ++variable)
    printf("variable=%s\n", *variable);
  (void)fflush(stdout);
  if (!LOCALPROXY_SANITIZER_BUILD) count_in_memory();  // a sanitizer's memory cannot be read through
  return outcome.ok() ? 0 : 1;
}
