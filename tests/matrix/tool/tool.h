// The commands of matrix-tool. Each returns its exit status: 0 for success, 1 for failure, with the reason on
// standard output.
#pragma once

#include <chrono>
#include <span>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace localproxy::matrix {

int free_port(std::span<char* const> arguments);
int names(std::span<char* const> arguments);
int serve(std::span<char* const> arguments);
int exchange(std::span<char* const> arguments);
int refused(std::span<char* const> arguments);
int control(std::span<char* const> arguments);
int seen(std::span<char* const> arguments);
int keep(std::span<char* const> arguments);

// Longer than anything in the acceptance takes, even on an emulated machine.
constexpr std::chrono::seconds kPatience(60);

// Connects to a port of 127.0.0.1 or, if the text has a slash, to a UNIX socket. Its reads and writes time
// out after kPatience.
Result<UniqueFd> connect_to(const std::string& address);
// A TCP socket that listens on a free port of 127.0.0.1.
Result<UniqueFd> listen_on_loopback(uint16_t& port);

// Prints the error; returns 1.
int fail(const std::string& reason);

}  // namespace localproxy::matrix
