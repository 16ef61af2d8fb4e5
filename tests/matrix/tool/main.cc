// matrix-tool: what the acceptance needs besides a shell, in one program, for systems that have nothing else.
#include <stdio.h>
#include <unistd.h>

#include <span>
#include <string>
#include <string_view>

#include "tool.h"

namespace {

using namespace localproxy::matrix;

struct Command {
  std::string_view name;
  size_t arguments;  // at least
  int (*run)(std::span<char* const> arguments);
  const char* help;
};

constexpr Command kCommands[] = {
    {"free-port", 0, free_port, "prints a TCP port without a listener"},
    {"names", 0, names, "answers on port 53 that every name is 127.0.0.1"},
    {"serve", 0, serve, "echoes on a free port of 127.0.0.1; says \"ready PORT\""},
    {"exchange", 3, exchange, "ADDRESS COUNT BYTES: so many connections at once, each gets its bytes back"},
    {"refused", 1, refused, "ADDRESS: a connection that is ended without one byte"},
    {"control", 2, control, "SOCKET JSON: one command of the stand-in service"},
    {"seen", 3, seen, "FILE TEXT SECONDS: waits until the file has the text"},
    {"keep", 4, keep, "KIND LOG STATUS COMMAND...: runs a program; see keep.cc"},
};

int help() {
  for (const Command& command : kCommands)
    printf("matrix-tool %s %s\n", std::string(command.name).c_str(), command.help);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return help();
  const std::span<char* const> arguments(argv + 2, static_cast<size_t>(argc - 2));
  for (const Command& command : kCommands)
    if (command.name == argv[1] && arguments.size() >= command.arguments) return command.run(arguments);
  return help();
}
