// bench-load: the clients and the local service of the benchmark.
//
//   serve                        a local service; says "ready PORT"; ends with its standard input
//   bulk PORT up|down BYTES CONNECTIONS checked|unchecked RATE PACE
//                                BYTES on each; RATE, PACE: bytes a second that are taken, given, on each;
//                                0: as many as can be
//   echo PORT BYTES SECONDS      one round trip after the other on one connection
//   connect PORT SECONDS AT_ONCE connections that are opened, used for one round trip, and closed
//   idle PORT CONNECTIONS        opens and uses them once, says "ready", keeps them until standard input ends
//
// A client prints one JSON object.

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "load.h"

namespace localproxy::bench {
namespace {

// Bytes that one connection of `connect` and `idle` sends and gets back.
constexpr size_t kGreeting = 64;

Bytes bytes_of(const Request& request) {
  return {reinterpret_cast<const uint8_t*>(&request), sizeof request};
}

// ---- the local service ----

void echo_all(int fd) {
  std::vector<uint8_t> block(kBlock);
  ssize_t got = 0;
  while ((got = ::recv(fd, block.data(), block.size(), 0)) > 0) {
    if (!try_write_all(fd, Bytes(block).first(static_cast<size_t>(got)))) return;
  }
}

void serve_one(UniqueFd fd) {
  Request request;
  if (!try_read_all(fd.get(), {reinterpret_cast<uint8_t*>(&request), sizeof request})) return;
  const uint8_t done = 1;
  switch (request.what) {
    case Request::What::kEcho:
      return echo_all(fd.get());
    case Request::What::kTake:
      if (try_take(fd.get(), request)) try_write_all(fd.get(), {&done, 1});
      return;
    case Request::What::kGive:
      try_give(fd.get(), request);
      return;
  }
}

void end_with_standard_input() {
  std::thread([] {
    char waste = 0;
    while (::read(STDIN_FILENO, &waste, 1) > 0) {
    }
    _exit(0);
  }).detach();
}

int serve() {
  uint16_t port = 0;
  const UniqueFd listener = listen_anywhere(port);
  printf("ready %u\n", port);
  fflush(stdout);
  end_with_standard_input();
  for (;;) {
    std::thread([](UniqueFd fd) { serve_one(std::move(fd)); }, accept_from(listener.get())).detach();
  }
}

// ---- the clients ----

bool transfer(uint16_t port, const Request& request) {
  const UniqueFd fd = try_connect_to(port);
  uint8_t done = 0;
  if (!fd || !try_write_all(fd.get(), bytes_of(request))) return false;
  if (request.what == Request::What::kGive) return try_take(fd.get(), request);
  return try_give(fd.get(), request) && try_read_all(fd.get(), {&done, 1});
}

int bulk(uint16_t port, bool up, uint64_t size, unsigned connections, bool checked, uint64_t rate,
         uint64_t pace) {
  std::atomic<unsigned> intact = 0;
  const double start = now();
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < connections; ++i) {
    threads.emplace_back([&, i] {
      const Request request{up ? Request::What::kTake : Request::What::kGive, size, checked ? i + 1U : 0U,
                            rate, pace};
      // Each begins at another moment of the time between two blocks, as connections do that know nothing of
      // each other.
      if (pace != 0)
        ::usleep(static_cast<useconds_t>(1e6 * kBlock / static_cast<double>(pace) * i / connections));
      if (transfer(port, request)) ++intact;
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  printf("{\"seconds\": %.6f, \"intact\": %u}\n", now() - start, intact.load());
  return 0;
}

// One round trip. False: the connection broke.
bool ask(int fd, MutableBytes message) {
  return try_write_all(fd, message) && try_read_all(fd, message);
}

int echo(uint16_t port, size_t size, double seconds) {
  const UniqueFd fd = connect_to(port);
  std::vector<uint8_t> message(size, 'x');
  const Request request;
  if (!try_write_all(fd.get(), bytes_of(request)) || !ask(fd.get(), message)) give_up("echo");
  std::vector<double> times;
  for (double at = now(), end = at + seconds; at < end;) {
    if (!ask(fd.get(), message)) give_up("echo");
    const double after = now();
    times.push_back((after - at) * 1e6);
    at = after;
  }
  const double p50 = percentile(times, 0.5);
  printf("{\"p50_us\": %.1f, \"p99_us\": %.1f, \"count\": %zu}\n", p50, percentile(times, 0.99),
         times.size());
  return 0;
}

bool greet(int fd) {
  std::array<uint8_t, kGreeting> message{};
  const Request request;
  std::array<uint8_t, sizeof request + kGreeting> first{};
  memcpy(first.data(), &request, sizeof request);
  return try_write_all(fd, first) && try_read_all(fd, message);
}

int connect(uint16_t port, double seconds, unsigned at_once) {
  // By quarter of the time: a rate that falls shows.
  std::array<std::atomic<unsigned>, 4> done{};
  std::atomic<unsigned> failed = 0;
  const double start = now();
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < at_once; ++i) {
    threads.emplace_back([&] {
      for (double at = now(); at - start < seconds; at = now()) {
        const UniqueFd fd = try_connect_to(port);
        if (!fd || !greet(fd.get())) {
          ++failed;
          continue;
        }
        ++done[std::min<size_t>(static_cast<size_t>((now() - start) / seconds * 4), 3)];
      }
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  const double took = now() - start;
  const unsigned all = done[0] + done[1] + done[2] + done[3];
  printf("{\"per_second\": %.1f, \"first_quarter\": %.1f, \"last_quarter\": %.1f, \"failed\": %u}\n",
         all / took, done[0] * 4 / seconds, done[3] * 4 / seconds, failed.load());
  return 0;
}

int idle(uint16_t port, unsigned connections) {
  std::vector<UniqueFd> open;
  for (unsigned i = 0; i < connections; ++i) {
    open.push_back(connect_to(port));
    if (!greet(open.back().get())) give_up("an idle connection");
  }
  printf("ready\n");
  fflush(stdout);
  char waste = 0;
  while (::read(STDIN_FILENO, &waste, 1) > 0) {
  }
  return 0;
}

void raise_limits() {
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
}

int run(const std::vector<std::string_view>& words) {
  const auto number = [&](size_t index) { return strtoull(words.at(index).data(), nullptr, 10); };
  const auto port = [&] { return static_cast<uint16_t>(number(1)); };
  const auto count = [&](size_t index) { return static_cast<unsigned>(number(index)); };
  const std::string_view command = words.empty() ? std::string_view() : words[0];
  if (command == "serve" && words.size() == 1) return serve();
  if (command == "bulk" && words.size() == 8)
    return bulk(port(), words[2] == "up", number(3), count(4), words[5] == "checked", number(6), number(7));
  if (command == "echo" && words.size() == 4) return echo(port(), number(2), static_cast<double>(number(3)));
  if (command == "connect" && words.size() == 4)
    return connect(port(), static_cast<double>(number(2)), count(3));
  if (command == "idle" && words.size() == 3) return idle(port(), count(2));
  fprintf(stderr, "usage: see the first lines of load_main.cc\n");
  return 2;
}

}  // namespace
}  // namespace localproxy::bench

int main(int argc, char** argv) {
  ::signal(SIGPIPE, SIG_IGN);
  localproxy::bench::raise_limits();
  return localproxy::bench::run(std::vector<std::string_view>(argv + 1, argv + argc));
}
