#include "wire/http_exchange.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/limits.h"

namespace localproxy::wire {
namespace {

using Step = HttpExchange::Step;
using Success = HttpExchange::Success;

HttpResponse response(std::string line, std::vector<std::pair<std::string, std::string>> headers = {}) {
  return {403, std::move(line), std::move(headers)};
}

TEST(ErrorBodyTest, ShowsTheFirstLineOfText) {
  struct Case {
    const char* body;
    const char* shown;
  };
  constexpr Case kCases[] = {{"", "HTTP/1.1 403 No"},
                             {"why\r\nmore", "HTTP/1.1 403 No: why"},
                             {"why\nmore", "HTTP/1.1 403 No: why"},
                             {"\nwhy", "HTTP/1.1 403 No"},
                             {"<html>why", "HTTP/1.1 403 No"}};
  for (const Case& row : kCases) {
    ErrorBody body;
    EXPECT_FALSE(body.take(response("HTTP/1.1 403 No"), as_bytes(std::string_view(row.body))));
    EXPECT_EQ(body.text(response("HTTP/1.1 403 No")), row.shown);
  }
}

TEST(ErrorBodyTest, IsNotLongerThanItsLength) {
  const auto length = response("s", {{"Content-Length", "3"}});
  ErrorBody body;
  EXPECT_TRUE(body.take(length, as_bytes(std::string_view("why not"))));
  EXPECT_EQ(body.text(length), "s: why");
  for (const char* text : {"", "x", "-3", "3x", "3, 3", "99999999999999999999"}) {
    const auto senseless = response("s", {{"Content-Length", text}});
    ErrorBody other;
    EXPECT_FALSE(other.take(senseless, as_bytes(std::string_view("why not")))) << text;
    EXPECT_EQ(other.text(senseless), "s: why not") << text;
  }
}

TEST(ErrorBodyTest, DoesNotMistakePayloadForTheEndOfTheLastChunk) {
  const auto chunked = response("s", {{"Transfer-Encoding", "chunked"}});
  ErrorBody body;
  EXPECT_FALSE(body.take(chunked, as_bytes(std::string_view("c\r\nwhy 0\r\n\r\n"))));
  EXPECT_EQ(body.text(chunked), "s: why 0");
}

TEST(ErrorBodyTest, EndsWithItsLengthItsLastChunkOrItsBound) {
  const auto length = response("s", {{"Content-Length", "3"}});
  ErrorBody body;
  EXPECT_FALSE(body.take(length, as_bytes(std::string_view("wh"))));
  EXPECT_TRUE(body.take(length, as_bytes(std::string_view("y"))));
  EXPECT_EQ(body.text(length), "s: why");
  EXPECT_TRUE(ErrorBody().take(response("s", {{"Content-Length", "0"}}), {}));
  const auto chunked = response("s", {{"Transfer-Encoding", "chunked"}});
  ErrorBody in_chunks;
  EXPECT_FALSE(in_chunks.take(chunked, as_bytes(std::string_view("3\r\nwhy\r\n"))));
  EXPECT_TRUE(in_chunks.take(chunked, as_bytes(std::string_view("0\r\n\r\n"))));
  EXPECT_EQ(in_chunks.text(chunked), "s: why");
  ErrorBody endless_trailer;
  EXPECT_TRUE(endless_trailer.take(chunked, as_bytes(std::string_view("3\r\nwhy\r\n0\r\nMore: "))));
  ErrorBody endless;
  EXPECT_TRUE(endless.take(response("s"), as_bytes(std::string(5'000, 'x'))));
  EXPECT_EQ(endless.text(response(std::string(9'000, 's'))).size(), 128 + 2 + 256);
}

// The steps of an exchange, after its request, for a response that arrives in pieces of `most` bytes; and the
// bytes that follow an accepted response.
struct Answer {
  std::vector<Step> steps;
  std::string rest;
};

Answer answer(HttpExchange& exchange, std::string_view text, size_t most) {
  Answer answer;
  exchange.sent(exchange.unsent().size());
  while (!text.empty()) {
    Bytes bytes = as_bytes(text.substr(0, most));
    text.remove_prefix(bytes.size());
    for (Step step = Step::kInterim; step == Step::kInterim || step == Step::kRefusal;) {
      const Result<Step> taken = exchange.receive(bytes);
      EXPECT_TRUE(taken.ok()) << taken.error().text();
      if (!taken.ok()) return answer;
      step = *taken;
      if (step != Step::kMore) answer.steps.push_back(step);
    }
    if (answer.steps.empty() || answer.steps.back() == Step::kRefusal ||
        answer.steps.back() == Step::kInterim)
      continue;
    answer.rest = std::string(as_text(bytes)) + std::string(text);
    return answer;
  }
  return answer;
}

TEST(HttpExchangeTest, SendsItsRequestInPieces) {
  HttpExchange exchange("GET / HTTP/1.1\r\n\r\n", Success::kSwitching);
  EXPECT_EQ(as_text(exchange.unsent()), "GET / HTTP/1.1\r\n\r\n");
  exchange.sent(4);
  EXPECT_EQ(as_text(exchange.unsent()), "/ HTTP/1.1\r\n\r\n");
  exchange.sent(14);
  EXPECT_TRUE(exchange.unsent().empty());
}

TEST(HttpExchangeTest, AcceptsTheStatusThatIsASuccess) {
  struct Case {
    Success success;
    const char* status;
    Step step;
  };
  constexpr Case kCases[] = {{Success::kSwitching, "101 Switching Protocols", Step::kAccepted},
                             {Success::kSwitching, "200 OK", Step::kRefusal},
                             {Success::kAny2xx, "200 Connection established", Step::kAccepted},
                             {Success::kAny2xx, "299 Fine", Step::kAccepted},
                             {Success::kAny2xx, "101 Switching Protocols", Step::kRefusal},
                             {Success::kAny2xx, "302 Found", Step::kRefusal},
                             {Success::kSwitching, "403 Forbidden", Step::kRefusal}};
  for (const Case& row : kCases) {
    for (const size_t most : {size_t{1}, size_t{1'000}}) {
      HttpExchange exchange("x", row.success);
      const Answer got = answer(exchange, std::string("HTTP/1.1 ") + row.status + "\r\n\r\nbehind", most);
      EXPECT_EQ(got.steps, std::vector<Step>{row.step}) << row.status;
      EXPECT_EQ(exchange.refusing(), row.step == Step::kRefusal) << row.status;
      EXPECT_EQ(got.rest, row.step == Step::kAccepted ? "behind" : "") << row.status;
    }
  }
}

TEST(HttpExchangeTest, PassesOverInterimAnswers) {
  for (const size_t most : {size_t{1}, size_t{1'000}}) {
    HttpExchange exchange("x", Success::kAny2xx);
    const Answer got = answer(
        exchange, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        most);
    EXPECT_EQ(got.steps, (std::vector<Step>{Step::kInterim, Step::kInterim, Step::kAccepted}));
    EXPECT_TRUE(exchange.response().headers.empty()) << "of the last answer alone";
  }
}

TEST(HttpExchangeTest, EndlessInterimAnswersAreARefusal) {
  HttpExchange exchange("x", Success::kSwitching);
  std::string text;
  for (int i = 0; i < 9; ++i)
    text += "HTTP/1.1 100 Continue\r\n\r\n";
  const Answer got = answer(exchange, text, text.size());
  std::vector<Step> expected(8, Step::kInterim);
  expected.push_back(Step::kRefusal);
  EXPECT_EQ(got.steps, expected);
}

TEST(HttpExchangeTest, ARefusalIsCompleteWithItsBody) {
  constexpr std::string_view kAnswer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\nno luck";
  for (size_t most = 1; most <= kAnswer.size(); ++most) {
    HttpExchange exchange("x", Success::kSwitching);
    const Answer got = answer(exchange, kAnswer, most);
    EXPECT_EQ(got.steps, (std::vector<Step>{Step::kRefusal, Step::kRefused})) << most;
    EXPECT_EQ(exchange.refusal_text(), "HTTP/1.1 403 Forbidden: no luck") << most;
  }
}

TEST(HttpExchangeTest, ARefusalWithoutABodyIsCompleteWithItsHead) {
  HttpExchange exchange("x", Success::kSwitching);
  const Answer got = answer(exchange, "HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n", 1'000);
  EXPECT_EQ(got.steps, (std::vector<Step>{Step::kRefusal, Step::kRefused}));
}

TEST(HttpExchangeTest, ReportsInvalidResponses) {
  HttpExchange exchange("x", Success::kSwitching);
  exchange.sent(1);
  Bytes bytes = as_bytes("SSH-2.0-OpenSSH\r\n");
  const Result<Step> taken = exchange.receive(bytes);
  ASSERT_FALSE(taken.ok());
  EXPECT_EQ(taken.error().text(), "not an HTTP/1.x response: \"SSH-2.0-OpenSSH\"");
}

}  // namespace
}  // namespace localproxy::wire
