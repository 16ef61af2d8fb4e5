// Commands to wait for conditions and to query the service.
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <fstream>
#include <sstream>
#include <string_view>

#include "base/text.h"
#include "tool.h"

namespace localproxy::matrix {
namespace {

constexpr int kPauseMilliseconds = 20;

bool has(const char* path, std::string_view text) {
  const std::ifstream file(path);
  std::stringstream content;
  content << file.rdbuf();
  return file.is_open() && content.str().find(text) != std::string::npos;
}

}  // namespace

int seen(std::span<char* const> arguments) {
  const auto seconds = parse_number<unsigned>(arguments[2]);
  if (!seconds) return fail("seen: not a number");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(*seconds);
  while (!has(arguments[0], arguments[1])) {
    if (std::chrono::steady_clock::now() >= deadline)
      return fail("not within " + std::string(arguments[2]) + " s: " + arguments[1]);
    ::poll(nullptr, 0, kPauseMilliseconds);
  }
  return 0;
}

int control(std::span<char* const> arguments) {
  auto connection = connect_to(arguments[0]);
  if (!connection) return fail(connection.error().text());
  const std::string command = std::string(arguments[1]) + "\n";
  if (::send(connection->get(), command.data(), command.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(command.size()))
    return fail("control: not sent");
  std::string reply;
  char piece[4'096];
  while (reply.empty() || reply.back() != '\n') {
    const ssize_t size = ::recv(connection->get(), piece, sizeof piece, 0);
    if (size <= 0) return fail("control: no answer to " + std::string(arguments[1]));
    reply.append(piece, static_cast<size_t>(size));
  }
  fputs(reply.c_str(), stdout);
  return reply.find("\"error\"") == std::string::npos ? 0 : 1;
}

}  // namespace localproxy::matrix
