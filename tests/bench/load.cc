#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

namespace localproxy::bench {
namespace {

constexpr int kBacklog = 1024;

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

void send_at_once(int fd) {
  const int on = 1;
  if (::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) give_up("TCP_NODELAY");
}

// splitmix64: every block of every seed is different, and cheap to make.
void fill(MutableBytes block, uint64_t seed, uint64_t index) {
  uint64_t state = seed * 0x9e3779b97f4a7c15ULL + (index << 20);
  for (size_t at = 0; at + sizeof state <= block.size(); at += sizeof state) {
    state += 0x9e3779b97f4a7c15ULL;
    uint64_t word = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9ULL;
    word = (word ^ (word >> 27)) * 0x94d049bb133111ebULL;
    word ^= word >> 31;
    memcpy(block.data() + at, &word, sizeof word);
  }
}

// Waits until it is time for the byte `at`, at so many bytes a second since start.
void keep_to(uint64_t rate, uint64_t at, double start) {
  if (rate == 0) return;
  const double ahead = static_cast<double>(at) / static_cast<double>(rate) - (now() - start);
  if (ahead > 0) ::usleep(static_cast<useconds_t>(ahead * 1e6));
}

}  // namespace

void give_up(const char* what) {
  fprintf(stderr, "bench-load: %s: %s\n", what, strerror(errno));
  exit(1);
}

UniqueFd listen_anywhere(uint16_t& port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(port);
  socklen_t size = sizeof address;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (!fd || ::bind(fd.get(), generic, size) != 0 || ::listen(fd.get(), kBacklog) != 0 ||
      ::getsockname(fd.get(), generic, &size) != 0) {
    give_up("cannot listen");
  }
  port = ntohs(address.sin_port);
  return fd;
}

UniqueFd try_connect_to(uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) give_up("socket");
  const sockaddr_in address = loopback(port);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return UniqueFd();
  send_at_once(fd.get());
  return fd;
}

UniqueFd accept_from(int listener) {
  UniqueFd fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  if (!fd) give_up("accept");
  send_at_once(fd.get());
  return fd;
}

bool try_write_all(int fd, Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (written <= 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return true;
}

bool try_read_all(int fd, MutableBytes into) {
  while (!into.empty()) {
    const ssize_t got = ::recv(fd, into.data(), into.size(), 0);
    if (got <= 0) return false;
    into = into.subspan(static_cast<size_t>(got));
  }
  return true;
}

bool try_give(int fd, const Request& request) {
  std::vector<uint8_t> block(kBlock);
  fill(block, request.seed, 0);
  const double start = now();
  for (uint64_t at = 0; at < request.size; at += kBlock) {
    keep_to(request.pace, at, start);
    if (request.seed != 0) fill(block, request.seed, at);
    if (!try_write_all(fd, Bytes(block).first(std::min<uint64_t>(kBlock, request.size - at)))) return false;
  }
  return true;
}

bool try_take(int fd, const Request& request) {
  std::vector<uint8_t> block(kBlock);
  std::vector<uint8_t> expected(request.seed == 0 ? 0 : kBlock);
  const double start = now();
  for (uint64_t at = 0; at < request.size;) {
    keep_to(request.rate, at, start);
    const size_t part = std::min<uint64_t>(kBlock, request.size - at);
    if (request.seed == 0) {
      const ssize_t got = ::recv(fd, block.data(), part, 0);
      if (got <= 0) return false;
      at += static_cast<uint64_t>(got);
      continue;
    }
    if (!try_read_all(fd, MutableBytes(block).first(part))) return false;
    fill(expected, request.seed, at);
    if (memcmp(block.data(), expected.data(), part) != 0) {
      fprintf(stderr, "bench-load: wrong content in the block at %llu\n",
              static_cast<unsigned long long>(at));
      return false;
    }
    at += part;
  }
  return true;
}

double now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double percentile(std::vector<double>& values, double part) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const auto index = static_cast<size_t>(part * static_cast<double>(values.size() - 1));
  return values[index];
}

}  // namespace localproxy::bench
