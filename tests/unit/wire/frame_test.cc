#include "wire/frame.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/limits.h"

namespace localproxy::wire {
namespace {

std::string frame_of(const std::string& message) {
  uint8_t length[2];
  store_be(length, static_cast<uint16_t>(message.size()));
  return std::string(as_text(length)) + message;
}

std::string stream_of(const std::vector<std::string>& messages) {
  std::string stream;
  for (const std::string& message : messages)
    stream += frame_of(message);
  return stream;
}

class FrameSplitterTest : public testing::Test {
 protected:
  void feed(std::string_view bytes) {
    const Result<> fed = splitter_.feed(as_bytes(bytes), [this](Bytes message) {
      messages_.emplace_back(as_text(message));
      return Result<>();
    });
    EXPECT_TRUE(fed.ok());
  }

  // No incomplete frame is buffered: the next frame is read as one.
  void expect_nothing_pending() {
    messages_.clear();
    feed(frame_of("probe"));
    EXPECT_EQ(messages_, std::vector<std::string>{"probe"});
  }

  FrameSplitter splitter_;
  std::vector<std::string> messages_;
};

const std::vector<std::string> kMessages = {"one", "", "a longer message", "x", "", "last"};

TEST_F(FrameSplitterTest, CutsManyOutOfOnePiece) {
  feed(stream_of(kMessages));
  EXPECT_EQ(messages_, kMessages);
  expect_nothing_pending();
}

TEST_F(FrameSplitterTest, JoinsWhatWasSplitAtAnyTwoPlaces) {
  const std::string stream = stream_of(kMessages);
  for (size_t first = 0; first <= stream.size(); ++first) {
    for (size_t second = first; second <= stream.size(); ++second) {
      messages_.clear();
      feed(std::string_view(stream).substr(0, first));
      feed(std::string_view(stream).substr(first, second - first));
      feed(std::string_view(stream).substr(second));
      ASSERT_EQ(messages_, kMessages) << first << ", " << second;
      expect_nothing_pending();
    }
  }
}

TEST_F(FrameSplitterTest, JoinsSingleBytes) {
  for (const char& byte : stream_of(kMessages))
    feed({&byte, 1});
  EXPECT_EQ(messages_, kMessages);
}

TEST_F(FrameSplitterTest, TakesTheLongestMessageInPieces) {
  const std::vector<std::string> longest(3, std::string(limits::kMaxMessage, 'm'));
  const std::string stream = stream_of(longest);
  for (size_t at = 0; at < stream.size(); at += 4093)
    feed(std::string_view(stream).substr(at, 4093));
  EXPECT_TRUE(messages_ == longest);
}

TEST_F(FrameSplitterTest, HandsOnAMessageAsSoonAsItIsComplete) {
  const std::string frame = frame_of("message");
  feed(frame.substr(0, frame.size() - 1));
  EXPECT_TRUE(messages_.empty());
  feed(frame.substr(frame.size() - 1) + frame.substr(0, 1));
  EXPECT_EQ(messages_.size(), 1U);
  feed("");
  EXPECT_EQ(messages_.size(), 1U);
  feed(frame.substr(1));
  EXPECT_EQ(messages_.size(), 2U);
}

TEST_F(FrameSplitterTest, DoesNotCopyCompleteMessages) {
  const std::string stream = stream_of({"one", "two"});
  std::vector<const uint8_t*> places;
  const Result<> fed = splitter_.feed(as_bytes(stream), [&](Bytes message) {
    places.push_back(message.data());
    return Result<>();
  });
  EXPECT_TRUE(fed.ok());
  const uint8_t* start = as_bytes(stream).data();
  EXPECT_EQ(places, (std::vector<const uint8_t*>{start + 2, start + 7}));
}

TEST_F(FrameSplitterTest, StopsAtTheFirstError) {
  const std::string stream = stream_of({"good", "bad", "never seen"});
  for (size_t cut = 0; cut < stream.size(); ++cut) {
    FrameSplitter splitter;
    std::vector<std::string> seen;
    const auto sink = [&](Bytes message) {
      seen.emplace_back(as_text(message));
      return seen.back() == "bad" ? Result<>(Error("bad message")) : Result<>();
    };
    Result<> fed = splitter.feed(as_bytes(stream).first(cut), sink);
    if (fed.ok()) fed = splitter.feed(as_bytes(stream).subspan(cut), sink);
    ASSERT_FALSE(fed.ok()) << cut;
    EXPECT_EQ(fed.error().text(), "bad message");
    EXPECT_EQ(seen, (std::vector<std::string>{"good", "bad"})) << cut;
  }
}

}  // namespace
}  // namespace localproxy::wire
