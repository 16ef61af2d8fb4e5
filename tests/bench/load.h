// What the benchmark's traffic is made of: blocking sockets on loopback, and content that both ends can make.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include <vector>

#include "base/bytes.h"
#include "base/fd.h"

namespace localproxy::bench {

// The first bytes of every connection: what the client wants of the service.
struct Request {
  enum class What : uint64_t {
    kEcho = 1,  // every byte back, until the client ends
    kTake,      // `size` bytes from the client, then one byte back
    kGive,      // `size` bytes from the service
  };
  What what = What::kEcho;
  uint64_t size = 0;
  uint64_t seed = 0;  // of checked content; 0: any bytes, looked at by nobody
  uint64_t rate = 0;  // bytes a second that the taker takes; 0: as fast as they come
  uint64_t pace = 0;  // bytes a second that the giver gives
};

// All of these end the program with a message when they fail, but for what is named try_.
UniqueFd listen_anywhere(uint16_t& port);
UniqueFd try_connect_to(uint16_t port);
UniqueFd accept_from(int listener);
bool try_write_all(int fd, Bytes bytes);
bool try_read_all(int fd, MutableBytes into);

// Sends request.size bytes, or takes and compares them. False: the connection broke, or the content is wrong.
inline constexpr size_t kBlock = 64 * 1024;
bool try_give(int fd, const Request& request);
bool try_take(int fd, const Request& request);

// Seconds since some moment.
double now();
// The value below which the share `part` of values lies. values are sorted by it.
double percentile(std::vector<double>& values, double part);

[[noreturn]] void give_up(const char* what);

}  // namespace localproxy::bench
