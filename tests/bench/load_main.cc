// bench-load: the clients and the local service of the benchmark.
//
//   serve                        a local service; says "ready PORT"; ends with its standard input
//   bulk PORT up|down BYTES CONNECTIONS checked|unchecked RATE
//                                BYTES on each; RATE: bytes a second that are taken on each; 0: as many as
//                                can be
//   beside PORT up|down CONNECTIONS PACE
//                                transfers without an end; PACE: bytes a second that are given on each; 0: as
//                                many as can be; says "ready", goes on until standard input ends
//   echo PORT BYTES SECONDS      one round trip after the other on one connection; at least one
//   connect PORT SECONDS AT_ONCE connections that are opened, used for one round trip, and closed
//   idle PORT CONNECTIONS        opens and uses them once, says "ready", keeps them until standard input ends
//
// A client prints one JSON object. A connection that breaks, or on which nothing moves for half a minute, is
// counted in it; it does not end the program.

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
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
// Seconds without a byte after which a client gives a connection up. A proxy may have queued a gigabyte for a
// reader that takes 100 MB a second.
constexpr time_t kPatience = 30;
// Where the distribution of round trips is told, in percent.
constexpr std::array kPercents = {1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 100.0};

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

void wait_for_end_of_input() {
  char waste = 0;
  while (::read(STDIN_FILENO, &waste, 1) > 0) {
  }
}

void end_with_standard_input() {
  std::thread([] {
    wait_for_end_of_input();
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

UniqueFd try_open(uint16_t port) {
  UniqueFd fd = try_connect_to(port);
  if (!fd) return fd;
  const timeval patience{kPatience, 0};
  for (const int direction : {SO_RCVTIMEO, SO_SNDTIMEO}) {
    if (::setsockopt(fd.get(), SOL_SOCKET, direction, &patience, sizeof patience) != 0)
      give_up("SO_RCVTIMEO");
  }
  return fd;
}

Request::What what_of(bool up) {
  return up ? Request::What::kTake : Request::What::kGive;
}

bool transfer(uint16_t port, const Request& request) {
  const UniqueFd fd = try_open(port);
  uint8_t done = 0;
  if (!fd || !try_write_all(fd.get(), bytes_of(request))) return false;
  if (request.what == Request::What::kGive) return try_take(fd.get(), request);
  return try_give(fd.get(), request) && try_read_all(fd.get(), {&done, 1});
}

int bulk(uint16_t port, bool up, uint64_t size, unsigned connections, bool checked, uint64_t rate) {
  std::atomic<unsigned> intact = 0;
  const double start = now();
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < connections; ++i) {
    threads.emplace_back([&, i] {
      if (transfer(port, {what_of(up), size, checked ? i + 1U : 0U, rate, 0})) ++intact;
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  printf("{\"seconds\": %.6f, \"intact\": %u}\n", now() - start, intact.load());
  return 0;
}

int beside(uint16_t port, bool up, unsigned connections, uint64_t pace) {
  // The threads go on until the program ends.
  static std::atomic<unsigned> broken = 0;
  for (unsigned i = 0; i < connections; ++i) {
    std::thread([=] {
      // Each begins at another moment of the time between two blocks, as connections do that know nothing of
      // each other.
      if (pace != 0)
        ::usleep(static_cast<useconds_t>(1e6 * kBlock / static_cast<double>(pace) * i / connections));
      if (!transfer(port, {what_of(up), UINT64_MAX, 0, 0, pace})) ++broken;
    }).detach();
  }
  printf("ready\n");
  fflush(stdout);
  wait_for_end_of_input();
  printf("{\"broken\": %u}\n", broken.load());
  fflush(stdout);
  _exit(0);
}

// One round trip. False: the connection broke.
bool ask(int fd, MutableBytes message) {
  return try_write_all(fd, message) && try_read_all(fd, message);
}

int echo(uint16_t port, size_t size, double seconds) {
  const UniqueFd fd = try_open(port);
  std::vector<uint8_t> message(size, 'x');
  const Request request;
  bool broken = !fd || !try_write_all(fd.get(), bytes_of(request)) || !ask(fd.get(), message);
  std::vector<double> times;
  for (double at = now(), end = at + seconds; !broken && at < end;) {
    broken = !ask(fd.get(), message);
    if (broken) break;
    const double after = now();
    times.push_back((after - at) * 1e6);
    at = after;
  }
  printf("{\"broken\": %s, \"count\": %zu, \"us\": {", broken ? "true" : "false", times.size());
  const char* between = "";
  for (const double percent : kPercents) {
    printf("%s\"%g\": %.1f", between, percent, percentile(times, percent / 100));
    between = ", ";
  }
  printf("}}\n");
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
        const UniqueFd fd = try_open(port);
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
    open.push_back(try_open(port));
    if (!open.back() || !greet(open.back().get())) give_up("an idle connection");
  }
  printf("ready\n");
  fflush(stdout);
  wait_for_end_of_input();
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
  if (command == "bulk" && words.size() == 7)
    return bulk(port(), words[2] == "up", number(3), count(4), words[5] == "checked", number(6));
  if (command == "beside" && words.size() == 5) return beside(port(), words[2] == "up", count(3), number(4));
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
