#include "monitor/dialer.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "base/exhaustion.h"
#include "base/limits.h"

namespace localproxy::monitor {
namespace {

constexpr auto kConnectSeconds = std::chrono::duration_cast<std::chrono::seconds>(limits::kConnectTimeout);

}  // namespace

std::vector<Address> interleave_families(std::vector<Address> addresses) {
  if (addresses.empty()) return addresses;
  const int first = addresses.front().family();
  std::vector<Address> own;
  std::vector<Address> other;
  for (const Address& address : addresses)
    (address.family() == first ? own : other).push_back(address);
  std::vector<Address> mixed;
  for (size_t i = 0; i < std::max(own.size(), other.size()); ++i) {
    if (i < own.size()) mixed.push_back(own[i]);
    if (i < other.size()) mixed.push_back(other[i]);
  }
  return mixed;
}

Dialer::Dialer(event::Loop& loop, std::vector<Address> addresses, std::vector<Address> from,
               Callback callback)
    : loop_(loop),
      addresses_(interleave_families(std::move(addresses))),
      from_(std::move(from)),
      callback_(std::move(callback)),
      stagger_(loop, [this] { next(); }),
      deadline_(loop,
                [this] {
                  for (const Candidate& candidate : candidates_)
                    fail(candidate.address,
                         "no answer within " + std::to_string(kConnectSeconds.count()) + " seconds");
                  finish();
                }),
      drop_failed_(loop, [this] { drop_failed(); }),
      call_back_(loop, [this] { call_back(); }) {
  deadline_.start(limits::kConnectTimeout);
  next();
}

void Dialer::next() {
  while (next_ < addresses_.size()) {
    const Address& address = addresses_[next_++];
    auto begun = begin(address);
    if (begun) {
      if (next_ < addresses_.size()) stagger_.start(limits::kConnectStagger);
      return;
    }
    fail(address, begun.error().text());
  }
  if (candidates_.empty()) finish();
}

Result<> Dialer::begin(const Address& address) {
  UniqueFd socket(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return failed("socket", errno);
  const int on = 1;
  if (address.family() != AF_UNIX) {
    if (::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
      return system_error("TCP_NODELAY", errno);
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &limits::kUnsent, sizeof limits::kUnsent);
  }
  if (auto bound = bind_from(socket.get(), address.family()); !bound) return bound;
  if (::connect(socket.get(), address.get(), address.size) != 0 && errno != EINPROGRESS) {
    return failed("connect", errno);
  }
  candidates_.push_back({address, std::move(socket), nullptr});
  Candidate* candidate = &candidates_.back();
  candidate->watcher = std::make_unique<event::Watcher>(
      loop_, candidate->socket.get(), [] {}, [this, candidate] { on_connected(candidate); });
  candidate->watcher->want_write(true);
  return {};
}

Error Dialer::failed(const char* call, int error) {
  short_ = is_exhaustion(error);
  return system_error(call, error);
}

Result<> Dialer::bind_from(int socket, int family) {
  if (from_.empty() || family == AF_UNIX) return {};
  const auto from =
      std::find_if(from_.begin(), from_.end(), [family](const Address& a) { return a.family() == family; });
  // "::" stands for every address of this machine, of both families.
  if (from == from_.end() && is_any(from_.front())) return {};
  if (from == from_.end())
    return Error("cannot connect from " + host_of(from_.front()) + ", which is of the other family");
  if (::bind(socket, from->get(), from->size) != 0)
    return system_error("cannot connect from " + host_of(*from), errno);
  return {};
}

void Dialer::on_connected(Candidate* candidate) {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(candidate->socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  candidate->watcher->want_write(false);
  if (error == 0) {
    if (winner_ == nullptr) winner_ = candidate;
    return finish();
  }
  fail(candidate->address, system_error("connect", error).text());
  candidate->failed = true;
  drop_failed_.start();
}

void Dialer::drop_failed() {
  if (finished_) return;
  candidates_.remove_if([](const Candidate& candidate) { return candidate.failed; });
  next();
}

void Dialer::fail(const Address& address, const std::string& why) {
  if (!failures_.empty()) failures_ += "; ";
  failures_ += to_string(address) + ": " + why;
}

void Dialer::finish() {
  if (std::exchange(finished_, true)) return;
  stagger_.stop();
  deadline_.stop();
  for (Candidate& candidate : candidates_)
    candidate.watcher->want_write(false);
  call_back_.start();
}

void Dialer::call_back() {
  Result<Connected> result = Error(failures_);
  if (winner_ != nullptr) {
    // A watcher must be destroyed before its descriptor is closed.
    winner_->watcher.reset();
    result = Connected{std::move(winner_->socket), winner_->address};
  }
  candidates_.clear();
  callback_(std::move(result));
}

}  // namespace localproxy::monitor
