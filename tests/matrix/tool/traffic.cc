// Both ends of the connections that go through the tunnel.
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "base/text.h"
#include "tool.h"

namespace localproxy::matrix {
namespace {

constexpr size_t kBuffer = 65'536;

bool send_all(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t sent = ::send(fd, data, size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    data += sent;
    size -= static_cast<size_t>(sent);
  }
  return true;
}

void echo(UniqueFd connection) {
  std::vector<char> buffer(kBuffer);
  for (;;) {
    const ssize_t size = ::recv(connection.get(), buffer.data(), buffer.size(), 0);
    if (size <= 0 || !send_all(connection.get(), buffer.data(), static_cast<size_t>(size))) return;
  }
}

// The byte at an offset of what connection `seed` sends: it differs from other connections' most of the time.
char byte_at(size_t seed, size_t place) {
  return static_cast<char>((place * 31 + (place >> 8) * (2 * seed + 1) + seed * 97) & 0xff);
}

// The error; empty: every byte came back.
std::string exchange_one(const std::string& address, size_t seed, size_t bytes) {
  auto connection = connect_to(address);
  if (!connection) return connection.error().text();
  std::vector<char> out(bytes);
  for (size_t place = 0; place < bytes; ++place)
    out[place] = byte_at(seed, place);
  std::thread sender([&] { send_all(connection->get(), out.data(), out.size()); });
  std::string problem;
  std::vector<char> in(kBuffer);
  for (size_t place = 0; place < bytes && problem.empty();) {
    const ssize_t size = ::recv(connection->get(), in.data(), in.size(), 0);
    if (size <= 0) {
      const std::string why = size == 0 ? "ended" : system_error("broke", errno).text();
      problem = why + " after " + std::to_string(place) + " of " + std::to_string(bytes) + " bytes";
    }
    for (ssize_t at = 0; at < size && problem.empty(); ++at, ++place)
      if (in[static_cast<size_t>(at)] != byte_at(seed, place))
        problem = "another byte at " + std::to_string(place);
  }
  if (!problem.empty()) ::shutdown(connection->get(), SHUT_RDWR);
  sender.join();
  return problem;
}

}  // namespace

int free_port(std::span<char* const>) {
  uint16_t port = 0;
  auto listener = listen_on_loopback(port);
  if (!listener) return fail(listener.error().text());
  printf("%d\n", port);
  return 0;
}

int serve(std::span<char* const>) {
  uint16_t port = 0;
  auto listener = listen_on_loopback(port);
  if (!listener) return fail(listener.error().text());
  printf("ready %d\n", port);
  fflush(stdout);
  for (;;) {
    UniqueFd connection(::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (connection) std::thread(echo, std::move(connection)).detach();
  }
}

int exchange(std::span<char* const> arguments) {
  const std::string address = arguments[0];
  const auto count = parse_number<size_t>(arguments[1]);
  const auto bytes = parse_number<size_t>(arguments[2]);
  if (!count || !bytes) return fail("exchange: not a number");
  std::vector<std::string> problems(*count);
  std::vector<std::thread> connections;
  for (size_t seed = 0; seed < *count; ++seed)
    connections.emplace_back([&, seed] { problems[seed] = exchange_one(address, seed, *bytes); });
  for (std::thread& connection : connections)
    connection.join();
  for (const std::string& problem : problems)
    if (!problem.empty()) return fail(problem);
  return 0;
}

int refused(std::span<char* const> arguments) {
  auto connection = connect_to(arguments[0]);
  if (!connection) return fail(connection.error().text());
  char byte = 0;
  const ssize_t size = ::recv(connection->get(), &byte, 1, 0);
  if (size > 0) return fail("a byte came");
  if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return fail("the connection was left waiting");
  return 0;
}

}  // namespace localproxy::matrix
