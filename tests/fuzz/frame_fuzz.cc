// A stream of tunnel frames in pieces (the first byte says of which size) is cut into the same messages as
// the whole of it is by the simplest loop.
#include <string>
#include <vector>

#include "tests/fuzz/fuzz.h"
#include "wire/frame.h"

using namespace localproxy;
using fuzz::require;

namespace {

struct Cut {
  std::vector<std::string> messages;
  size_t pending = 0;

  bool operator==(const Cut&) const = default;
};

Cut cut_by_splitter(Bytes bytes, size_t most) {
  Cut cut;
  wire::FrameSplitter splitter;
  fuzz::feed_in_pieces(bytes, most, [&](Bytes piece) {
    const Result<> fed = splitter.feed(piece, [&](Bytes message) {
      cut.messages.emplace_back(as_text(message));
      return Result<>();
    });
    require(fed.ok(), "only the sink makes errors");
    return true;
  });
  cut.pending = splitter.pending();
  return cut;
}

Cut cut_by_loop(Bytes bytes) {
  Cut cut;
  ByteReader reader(bytes);
  uint16_t size = 0;
  Bytes message;
  cut.pending = reader.remaining();
  while (reader.take(size) && reader.take(message, size)) {
    cut.messages.emplace_back(as_text(message));
    cut.pending = reader.remaining();
  }
  return cut;
}

}  // namespace

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const Bytes stream(data + 1, size - 1);
  const Cut expected = cut_by_loop(stream);
  require(cut_by_splitter(stream, data[0]) == expected, "pieces make the same messages");
  require(cut_by_splitter(stream, stream.size()) == expected, "other pieces make the same messages");

  // A sink that refuses the second message sees no third.
  size_t seen = 0;
  wire::FrameSplitter splitter;
  const Result<> fed =
      splitter.feed(stream, [&](Bytes) { return ++seen == 2 ? Result<>(Error("second")) : Result<>(); });
  require(fed.ok() == (expected.messages.size() < 2) && seen == std::min<size_t>(2, expected.messages.size()),
          "an error of the sink ends the splitting");
  return 0;
}
