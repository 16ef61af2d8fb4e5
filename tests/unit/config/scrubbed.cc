// Run by scrub_test.cc: parses its command line like localproxy, scrubs it, and shows what /proc and its own
// memory still say. Its secrets are only where localproxy's would be.
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <array>
#include <string_view>

#include "base/fd.h"
#include "config/command_line.h"

namespace {

using localproxy::UniqueFd;
namespace config = localproxy::config;

const char* look_up(const char* name) {
  return getenv(name);
}

// The marker of every secret in the test is "SeCrEt"; here it is coded, so that looking for it does not find
// the one that is looked for.
constexpr std::array<char, 6> kCodedMarker = {'S' ^ 0x55, 'e' ^ 0x55, 'C' ^ 0x55,
                                              'r' ^ 0x55, 'E' ^ 0x55, 't' ^ 0x55};

bool marker_at(const volatile char* bytes) {
  for (size_t i = 0; i < kCodedMarker.size(); ++i)
    if ((bytes[i] ^ 0x55) != kCodedMarker[i]) return false;
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
    putchar(buffer[i] == '\0' ? '|' : buffer[i]);
  putchar('\n');
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
    for (uintptr_t at = start; at + kCodedMarker.size() <= end; ++at)
      if (marker_at(reinterpret_cast<const volatile char*>(at))) ++count;  // NOLINT
  }
  if (maps != nullptr) fclose(maps);
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
  fflush(stdout);
  count_in_memory();
  return outcome.ok() ? 0 : 1;
}
