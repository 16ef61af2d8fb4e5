// A stream of tunnel frames that arrives in pieces (the first byte gives the size) is cut into the same
// messages as the simplest loop cuts from the whole stream.
#include <string>
#include <vector>

#include "base/limits.h"
#include "tests/fuzz/fuzz.h"
#include "wire/frame.h"

using namespace localproxy;
using fuzz::require;

namespace {

using Messages = std::vector<std::string>;

// Bytes. All of it in small pieces would take a thousand times as long as the input itself.
constexpr size_t kPiecesOfPadding = 64;

// The first in_pieces bytes arrive in pieces of at most `most`, the others at once.
Messages cut_by_splitter(Bytes bytes, size_t in_pieces, size_t most) {
  Messages messages;
  wire::FrameSplitter splitter;
  const auto feed = [&](Bytes piece) {
    const Result<> fed = splitter.feed(piece, [&](Bytes message) {
      messages.emplace_back(as_text(message));
      return Result<>();
    });
    require(fed.ok(), "only the sink makes errors");
    return true;
  };
  fuzz::feed_in_pieces(bytes.first(in_pieces), most, feed);
  feed(bytes.subspan(in_pieces));
  return messages;
}

Messages cut_by_loop(Bytes bytes) {
  Messages messages;
  ByteReader reader(bytes);
  uint16_t size = 0;
  Bytes message;
  while (reader.take(size) && reader.take(message, size)) {
    messages.emplace_back(as_text(message));
  }
  return messages;
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  // Padding that completes any unfinished frame, so that buffered bytes become visible.
  std::string whole(as_text({data + 1, size - 1}));
  whole.append(limits::kMaxMessage + 2, '\xff');
  const Bytes stream = as_bytes(whole);
  const Messages expected = cut_by_loop(stream);
  require(cut_by_splitter(stream, size - 1 + kPiecesOfPadding, data[0]) == expected,
          "pieces make the same messages");
  require(cut_by_splitter(stream, 0, 0) == expected, "one piece makes the same messages");

  // A sink that refuses the second message sees no third.
  size_t seen = 0;
  wire::FrameSplitter splitter;
  const Result<> fed =
      splitter.feed(stream, [&](Bytes) { return ++seen == 2 ? Result<>(Error("second")) : Result<>(); });
  require(fed.ok() == (expected.size() < 2) && seen == std::min<size_t>(2, expected.size()),
          "an error of the sink ends the splitting");
  return 0;
}
