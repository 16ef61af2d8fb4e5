// An HTTP exchange of net over a socket, for CONNECT and for the upgrade: an answer that arrives in pieces
// ends like the whole answer. So do its refusal, with the error body, and what follows an acceptance.
//
// Input: what counts as success and how the answer is cut, then the answer.
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "base/fd.h"
#include "base/limits.h"
#include "net/http_client.h"
#include "tests/fuzz/fuzz.h"

using namespace localproxy;
using fuzz::require;

namespace {

using Step = net::HttpClient::Step;

struct Ending {
  Step step = Step::kWantRead;
  int status = 0;
  std::string text;  // of a refusal, or of an error
  std::string rest;  // what follows an acceptance

  bool operator==(const Ending&) const = default;
};

constexpr const char* kRequest = "CONNECT example.com:443 HTTP/1.1\r\n\r\n";

bool is_end(Step step) {
  return step == Step::kAccepted || step == Step::kRefused || step == Step::kLost || step == Step::kMalformed;
}

// Calls the client until it waits or has ended.
Step drive(net::HttpClient& client) {
  Step step = client.advance();
  // Each answer of 1xx is a step, and so is the head of the last.
  for (int steps = 0; step == Step::kSent || step == Step::kHead; ++steps) {
    require(steps < 20, "an exchange ends");
    step = client.advance();
  }
  return step;
}

std::string read_all(int socket) {
  std::string all;
  char piece[4'096];
  for (ssize_t size = 0; (size = ::read(socket, piece, sizeof piece)) > 0;)
    all.append(piece, static_cast<size_t>(size));
  return all;
}

Ending ending_of(net::HttpClient& client, Step step) {
  Ending ending;
  ending.step = step;
  if (step == Step::kAccepted || step == Step::kRefused) ending.status = client.response().status;
  if (step == Step::kAccepted) ending.rest = client.rest();
  if (step == Step::kRefused) ending.text = client.refusal_text();
  if (step == Step::kMalformed || step == Step::kLost) ending.text = client.error();
  return ending;
}

Ending exchange(Bytes answer, size_t most, wire::HttpExchange::Success success) {
  auto sockets = make_socketpair(SOCK_STREAM);
  require(sockets.ok(), "there are descriptors for a pair of sockets");
  const int ours = sockets->first.get();
  const int peer = sockets->second.get();
  net::HttpClient client(net::HttpTransport(ours), kRequest, success);
  Step step = drive(client);
  require(read_all(peer) == kRequest, "the request is sent");
  std::string late;  // what arrives after the end
  fuzz::feed_in_pieces(answer, most, [&](Bytes piece) {
    if (is_end(step)) {
      late += as_text(piece);
      return true;
    }
    require(::write(peer, piece.data(), piece.size()) == static_cast<ssize_t>(piece.size()),
            "a socket has room for a piece");
    step = drive(client);
    return true;
  });
  ::shutdown(peer, SHUT_WR);
  if (!is_end(step)) step = drive(client);
  require(is_end(step), "an exchange ends with its connection");
  Ending ending = ending_of(client, step);
  if (step == Step::kAccepted) ending.rest += read_all(ours) + late;
  return ending;
}

void check_ending(const Ending& ending, Bytes answer, wire::HttpExchange::Success success) {
  switch (ending.step) {
    case Step::kAccepted:
      require(success == wire::HttpExchange::Success::kSwitching ? ending.status == 101
                                                                 : ending.status / 100 == 2,
              "only success is accepted");
      require(as_text(answer).ends_with(ending.rest), "what follows an acceptance is untouched");
      break;
    case Step::kRefused:
      require(!ending.text.empty() && ending.text.size() < 512, "a refusal is short");
      require(ending.text.find_first_of("\r\n") == std::string::npos, "a refusal is one line");
      break;
    default:
      require(ending.step == Step::kLost || !ending.text.empty(), "an error says something");
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Script script({data, size});
  const auto success = (script.byte() & 1) != 0 ? wire::HttpExchange::Success::kSwitching
                                                : wire::HttpExchange::Success::kAny2xx;
  const size_t most = script.byte();
  const Bytes answer = script.rest();
  if (answer.size() > 2 * limits::kMaxResponseHead) return 0;  // a socket has to take it at once
  const Ending whole = exchange(answer, answer.size(), success);
  check_ending(whole, answer, success);
  require(exchange(answer, most, success) == whole, "pieces end like the whole");
  return 0;
}
