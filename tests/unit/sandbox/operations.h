// What an attacker who runs code in one of our processes would try: each operation, and its outcome in each
// role's sandbox.
#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <string_view>

namespace localproxy::sandbox::test {

// What is open when the process enters its sandbox. A real process holds less.
struct World {
  int file = -1;        // /etc/passwd, open for reading
  int program = -1;     // /bin/true, O_PATH
  int directory = -1;   // /etc
  int tcp = -1;         // a connected TCP socket, on which 5 bytes wait
  int closed_tcp = -1;  // a TCP socket that has been connected, and disconnected
  int fresh_tcp = -1;   // a TCP socket that was never connected
  int listener = -1;    // a listening TCP socket
  int datagrams = -1;   // one end of a pair of UNIX datagram sockets
  int pipe_read = -1;   // a pipe with 5 bytes in it
  int pipe_write = -1;
  int terminal = -1;   // a pseudo terminal; -1 where there are none
  int pidfd = -1;      // refers to sibling
  pid_t sibling = -1;  // a process of the same user in no sandbox
  pid_t parent = -1;
  unsigned short port = 0;  // has a listener on 127.0.0.1
  std::string path;         // has a UNIX listener, to which everybody may connect
};

// The outcome of an operation: 0 when it succeeds, kKilled, or the errno with which it is refused.
using Outcome = int;
inline constexpr Outcome kDone = 0;
inline constexpr Outcome kKilled = -1;
inline constexpr Outcome K = kKilled;  // in the tables

struct Operation {
  std::string_view name;
  // Returns the result of the system call: negative with errno set on failure.
  long (*attempt)(const World& world);
  Outcome monitor, launch, net, bridge, resolve;
  int landlock_abi = 1;  // the first version that refuses it
};

// An operation that is one expression, in which w is the World.
#define TRY(...) [](const World& w [[maybe_unused]]) -> long { return __VA_ARGS__; }

std::span<const Operation> file_operations();
std::span<const Operation> socket_operations();
std::span<const Operation> process_operations();
std::span<const Operation> kernel_operations();

}  // namespace localproxy::sandbox::test
