// matrix-within: executes a program in a reduced environment.
//
//   matrix-within [OPTION...] -- PROGRAM ARGUMENT...
//
// The options take effect in the order in which they are given.
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string_view>

#include "base/text.h"
#include "within.h"

namespace {

using namespace localproxy;

Result<> set_umask(const std::string& text) {
  const auto mask = parse_number<mode_t>(text, 8);
  if (!mask) return Error("not a umask: " + text);
  ::umask(*mask);
  return {};
}

Result<> close_descriptors(const std::string& text) {
  for (const char digit : text)
    ::close(digit - '0');
  return {};
}

struct Option {
  std::string_view name;
  Result<> (*apply)(const std::string& value);
};

constexpr Option kOptions[] = {
    {"--umask", set_umask},
    {"--close", close_descriptors},
    {"--refuse", matrix::refuse_calls},
    {"--docker", [](const std::string&) { return matrix::filter_as_docker(); }},
    {"--no-user-namespaces", [](const std::string&) { return matrix::forbid_user_namespaces(); }},
    {"--cover", matrix::cover},
    {"--init", [](const std::string&) { return matrix::become_init(); }},
};

Result<> apply(std::string_view argument) {
  const size_t equals = argument.find('=');
  const std::string value(equals == std::string_view::npos ? "" : argument.substr(equals + 1));
  for (const Option& option : kOptions)
    if (option.name == argument.substr(0, equals)) return option.apply(value);
  return Error("no such option: " + std::string(argument));
}

}  // namespace

int main(int argc, char** argv) {
  int at = 1;
  for (; at < argc && std::string_view(argv[at]) != "--"; ++at) {
    if (auto done = apply(argv[at]); !done) {
      fprintf(stderr, "matrix-within: %s: %s\n", argv[at], done.error().text().c_str());
      return 125;
    }
  }
  if (at + 1 >= argc) {
    fprintf(stderr, "matrix-within: no program\n");
    return 125;
  }
  ::execvp(argv[at + 1], argv + at + 1);
  fprintf(stderr, "matrix-within: %s: %s\n", argv[at + 1], ::strerror(errno));
  return 127;
}
