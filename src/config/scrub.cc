#include <string.h>

#include <algorithm>
#include <string_view>

#include "base/secret.h"
#include "config/command_line.h"
#include "config/options.h"

namespace localproxy::config {
namespace {

// Web proxies' URLs may hold passwords.
constexpr std::string_view kProxyVariables[] = {
    "https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY",
};

bool holds_secret(std::string_view name) {
  const bool of_option = std::ranges::any_of(options(), [&](const Option& option) {
    return option.shape == Shape::kSecret && name == option.variable;
  });
  return of_option || std::ranges::find(kProxyVariables, name) != std::end(kProxyVariables);
}

}  // namespace

void scrub_arguments(int argc, char** argv, char** variables) {
  for (int i = 1; i < argc; ++i) {
    const size_t size = ::strlen(argv[i]);
    wipe(argv[i], size);
    // When the last byte of the arguments is not zero, the kernel takes the program for one that has set a
    // title, and shows only the first string (fs/proc/base.c): argv[0] without a tail of zeros.
    if (i == argc - 1) argv[i][size] = '\1';
    argv[i] = nullptr;
  }

  char** kept = variables;
  for (char** entry = variables; *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (holds_secret(text.substr(0, text.find('='))))
      wipe(*entry, text.size());
    else
      *kept++ = *entry;
  }
  *kept = nullptr;
  wipe_stack();
}

}  // namespace localproxy::config
