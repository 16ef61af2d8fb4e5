// Connects to the first of several addresses that answers, without waiting long for one that does not (RFC
// 8305).
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/fd.h"
#include "base/result.h"
#include "event/loop.h"

namespace localproxy::monitor {

struct Connected {
  UniqueFd socket;
  Address address;
};

// The addresses with their families alternating, beginning with the family of the first (RFC 8305, 4).
std::vector<Address> interleave_families(std::vector<Address> addresses);

class Dialer {
 public:
  using Callback = std::function<void(Result<Connected> connected)>;

  // Calls back once, from the loop, unless destroyed before. `from`: the local addresses to connect from,
  // where each connection uses the one of its family; empty: any.
  Dialer(event::Loop& loop, std::vector<Address> addresses, std::vector<Address> from, Callback callback);

  // Whether the last connection failed because the kernel has run out of something (base/exhaustion.h).
  bool is_short() const { return short_; }

 private:
  struct Candidate {
    Address address;
    UniqueFd socket;
    std::unique_ptr<event::Watcher> watcher;
    bool failed = false;
  };
  void next();
  Result<> begin(const Address& address);
  // The error of a call that failed in begin().
  Error failed(const char* call, int error);
  Result<> bind_from(int socket, int family);
  void on_connected(Candidate* candidate);
  void fail(const Address& address, const std::string& why);
  void drop_failed();
  void finish();
  void call_back();

  event::Loop& loop_;
  std::vector<Address> addresses_;
  std::vector<Address> from_;
  Callback callback_;
  size_t next_ = 0;
  std::list<Candidate> candidates_;
  Candidate* winner_ = nullptr;
  std::string failures_;
  bool finished_ = false;
  bool short_ = false;
  event::Timer stagger_;
  event::Timer deadline_;
  event::Task drop_failed_;
  event::Task call_back_;
};

}  // namespace localproxy::monitor
