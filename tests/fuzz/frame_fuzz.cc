// A stream of tunnel frames in pieces (the first byte says of which size) is cut into the same messages as
// the whole of it is by the simplest loop.
#include <string>
#include <vector>

#include "base/limits.h"
#include "tests/fuzz/fuzz.h"
#include "wire/frame.h"

using namespace localproxy;
using fuzz::require;

namespace {

using Messages = std::vector<std::string>;

Messages cut_by_splitter(Bytes bytes, size_t most) {
  Messages messages;
  wire::FrameSplitter splitter;
  fuzz::feed_in_pieces(bytes, most, [&](Bytes piece) {
    const Result<> fed = splitter.feed(piece, [&](Bytes message) {
      messages.emplace_back(as_text(message));
      return Result<>();
    });
    require(fed.ok(), "only the sink makes errors");
    return true;
  });
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
  // What stands behind it completes whatever is unfinished at its end, so that bytes which are kept show.
  std::string whole(as_text({data + 1, size - 1}));
  whole.append(limits::kMaxMessage + 2, '\xff');
  const Bytes stream = as_bytes(whole);
  const Messages expected = cut_by_loop(stream);
  require(cut_by_splitter(stream, data[0]) == expected, "pieces make the same messages");
  require(cut_by_splitter(stream, stream.size()) == expected, "other pieces make the same messages");

  // A sink that refuses the second message sees no third.
  size_t seen = 0;
  wire::FrameSplitter splitter;
  const Result<> fed =
      splitter.feed(stream, [&](Bytes) { return ++seen == 2 ? Result<>(Error("second")) : Result<>(); });
  require(fed.ok() == (expected.size() < 2) && seen == std::min<size_t>(2, expected.size()),
          "an error of the sink ends the splitting");
  return 0;
}
