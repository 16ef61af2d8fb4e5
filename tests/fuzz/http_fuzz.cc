// A response in pieces (the first byte gives the size) is parsed like the whole response: the head, and the
// part of a refusal's body that is logged.
#include <optional>
#include <string>

#include "base/limits.h"
#include "tests/fuzz/fuzz.h"
#include "wire/http.h"
#include "wire/http_exchange.h"
#include "wire/http_request.h"

using namespace localproxy;
using fuzz::require;

namespace {

struct Reading {
  std::optional<wire::HttpResponse> response;  // once the head is complete
  std::string error;
  size_t taken = 0;  // bytes, unless there is an error
};

Reading read_head(Bytes bytes, size_t most) {
  Reading reading;
  wire::ResponseReader reader;
  fuzz::feed_in_pieces(bytes, most, [&](Bytes piece) {
    const size_t before = piece.size();
    const Result<bool> complete = reader.feed(piece);
    if (!complete) {
      reading.error = complete.error().text();
      return false;
    }
    reading.taken += before - piece.size();
    require(*complete || piece.empty(), "an incomplete head takes all there is");
    if (*complete) reading.response = reader.response();
    return !*complete;
  });
  require(reading.taken <= limits::kMaxResponseHead, "a head is within its limit");
  return reading;
}

void compare(const Reading& a, const Reading& b) {
  require(a.error == b.error, "pieces make the same error");
  require(a.response.has_value() == b.response.has_value(), "pieces end where the whole does");
  if (!a.response) return;
  require(a.taken == b.taken, "pieces take as much as the whole");
  require(a.response->status == b.response->status && a.response->headers == b.response->headers &&
              a.response->status_line == b.response->status_line,
          "pieces make the same response");
}

void check_response(const wire::HttpResponse& response) {
  require(response.status >= 100 && response.status <= 999, "a status has three digits");
  for (const auto& [name, value] : response.headers) {
    require(!name.empty(), "a header has a name");
    require(value.find_first_of(std::string_view("\r\n\0", 3)) == value.npos, "a value is one line");
    const std::optional<std::string> found = response.header(name);
    require(found && found->find(value) != found->npos, "a header that is there is found");
  }
  const Result<> upgraded =
      wire::check_upgrade_response(response, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "aws.iot.securetunneling-3.0");
  if (upgraded) {
    require(response.header_has_token("UPGRADE", "WEBSOCKET"), "names and tokens are compared without case");
  } else {
    require(!upgraded.error().text().empty(), "an error says something");
  }
}

std::string read_refusal(const wire::HttpResponse& response, Bytes body, size_t most) {
  wire::ErrorBody refusal;
  bool complete = refusal.take(response, {});
  if (!complete) {
    fuzz::feed_in_pieces(body, most, [&](Bytes piece) {
      complete = refusal.take(response, piece);
      return !complete;
    });
  }
  require(complete || body.size() < limits::kMaxErrorBody, "a body is within its limit");
  return refusal.text(response);
}

void check_refusal(const wire::HttpResponse& response, Bytes body, size_t most) {
  const std::string whole = read_refusal(response, body, body.size());
  require(whole.find_first_of("\r\n") == whole.npos, "a refusal is one line");
  require(whole.size() < 512, "a refusal is short");
  require(whole == read_refusal(response, body, most), "pieces of a body say what the whole does");
  require(whole == read_refusal(response, body, 1), "the bytes of a body say what the whole does");
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const Bytes bytes(data + 1, size - 1);
  const Reading whole = read_head(bytes, bytes.size());
  compare(whole, read_head(bytes, data[0]));
  compare(whole, read_head(bytes, 1));
  if (whole.response) {
    check_response(*whole.response);
    check_refusal(*whole.response, bytes.subspan(whole.taken), data[0]);
  }
  return 0;
}
