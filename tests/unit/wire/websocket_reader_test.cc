#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "wire/websocket.h"

namespace localproxy::wire {
namespace {

using namespace std::string_literals;

// Records a reader's events, with all data joined.
class Recorder : public WebSocketEvents {
 public:
  std::string data;
  std::vector<std::string> calls;  // control frames, with the number of bytes of data before them
  std::vector<size_t> parts;       // sizes of the calls of on_data()
  std::string refuse;              // data that is answered with an error

 private:
  Result<> on_data(Bytes bytes) override {
    data += as_text(bytes);
    parts.push_back(bytes.size());
    if (!refuse.empty() && data.find(refuse) != data.npos) return Error("refused");
    return {};
  }
  void on_ping(Bytes payload) override { add("ping " + std::string(as_text(payload))); }
  void on_pong(Bytes payload) override { add("pong " + std::string(as_text(payload))); }
  void on_close(uint16_t code, std::string_view reason) override {
    add("close " + std::to_string(code) + " " + std::string(reason));
  }
  void add(const std::string& call) { calls.push_back(std::to_string(data.size()) + " " + call); }
};

// A frame as a server sends it. first: FIN, reserved bits and opcode.
std::string frame(uint8_t first, const std::string& payload) {
  std::string out(1, static_cast<char>(first));
  uint8_t length[8];
  if (payload.size() < 126) {
    out += static_cast<char>(payload.size());
  } else if (payload.size() < 65'536) {
    store_be(length, static_cast<uint16_t>(payload.size()));
    out += "\x7e" + std::string(as_text(Bytes(length).first(2)));
  } else {
    store_be(length, uint64_t{payload.size()});
    out += "\x7f" + std::string(as_text(length));
  }
  return out + payload;
}

std::string close_frame(uint16_t code, const std::string& reason) {
  uint8_t number[2];
  store_be(number, code);
  return frame(0x88, std::string(as_text(number)) + reason);
}

// The first error of a reader, and the close code.
std::string feed_error(const std::string& bytes) {
  WebSocketReader reader;
  Recorder events;
  const Result<> fed = reader.feed(as_bytes(bytes), events);
  return fed ? "no error" : std::to_string(reader.close_code()) + " " + fed.error().text();
}

TEST(WebSocketReaderTest, ReadsTheExamplesOfTheRfc) {
  const std::string small(256, 's');
  const std::string big(65'536, 'b');
  WebSocketReader reader;
  Recorder events;
  for (const std::string& bytes : {
           "\x89\x05Hello"s,
           "\x02\x03Hel\x80\x02lo"s,  // the RFC has it in text
           "\x82\x7e\x01\x00"s + small,
           "\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"s + big,
       })
    ASSERT_TRUE(reader.feed(as_bytes(bytes), events).ok());
  EXPECT_TRUE(events.data == "Hello" + small + big);
  EXPECT_EQ(events.calls, (std::vector<std::string>{"0 ping Hello"}));
}

TEST(WebSocketReaderTest, DoesNotCareHowBytesWereSplit) {
  const std::string stream = frame(0x82, "one") + frame(0x89, "") + frame(0x82, "") + frame(0x02, "two") +
                             frame(0x8a, "pong") + frame(0x00, "") + frame(0x00, "three") + frame(0x89, "x") +
                             frame(0x80, std::string(200, 'y')) + close_frame(1000, "bye");
  const std::string data = "onetwothree" + std::string(200, 'y');
  const std::vector<std::string> calls = {"3 ping ", "6 pong pong", "11 ping x", "211 close 1000 bye"};
  for (size_t first = 0; first <= stream.size(); ++first) {
    WebSocketReader reader;
    Recorder events;
    ASSERT_TRUE(reader.feed(as_bytes(stream).first(first), events).ok());
    ASSERT_TRUE(reader.feed(as_bytes(stream).subspan(first), events).ok());
    ASSERT_EQ(events.data, data) << first;
    ASSERT_EQ(events.calls, calls) << first;
  }
  WebSocketReader reader;
  Recorder events;
  for (const char& byte : stream)
    ASSERT_TRUE(reader.feed(as_bytes({&byte, 1}), events).ok());
  EXPECT_EQ(events.data, data);
  EXPECT_EQ(events.calls, calls);
}

TEST(WebSocketReaderTest, HandsPayloadOnBeforeItsFrameEnds) {
  WebSocketReader reader;
  Recorder events;
  ASSERT_TRUE(reader.feed(as_bytes("\x82\x0a"s + "abc"), events).ok());
  EXPECT_EQ(events.data, "abc");
  ASSERT_TRUE(reader.feed(as_bytes("defg"), events).ok());
  EXPECT_EQ(events.data, "abcdefg");
  ASSERT_TRUE(reader.feed(as_bytes("hij\x82\x01k"), events).ok());
  EXPECT_EQ(events.data, "abcdefghijk");
  EXPECT_EQ(events.parts, (std::vector<size_t>{3, 4, 3, 1}));
}

TEST(WebSocketReaderTest, NeverHandsOnNothing) {
  WebSocketReader reader;
  Recorder events;
  ASSERT_TRUE(reader.feed(as_bytes(frame(0x82, "") + "\x82\x01"), events).ok());
  ASSERT_TRUE(reader.feed({}, events).ok());
  EXPECT_TRUE(events.parts.empty());
}

TEST(WebSocketReaderTest, TakesTheLargestPayloads) {
  const std::string data(limits::kMaxWebSocketPayload, 'd');
  const std::string control(limits::kMaxControlPayload, 'c');
  WebSocketReader reader;
  Recorder events;
  ASSERT_TRUE(reader.feed(as_bytes(frame(0x82, data) + frame(0x89, control)), events).ok());
  EXPECT_EQ(events.data.size(), data.size());
  EXPECT_EQ(events.calls, (std::vector<std::string>{std::to_string(data.size()) + " ping " + control}));
}

TEST(WebSocketReaderTest, ReadsEveryKindOfClose) {
  const std::string reason(123, 'r');
  const std::pair<std::string, std::string> cases[] = {
      {frame(0x88, ""), "0 close 1005 "},
      {close_frame(1000, ""), "0 close 1000 "},
      {close_frame(1001, "going away"), "0 close 1001 going away"},
      {close_frame(1011, reason), "0 close 1011 " + reason},
      {close_frame(4999, "\xe2\x82\xac \xf0\x9f\x98\x80 \xc3\xa9"),
       "0 close 4999 \xe2\x82\xac \xf0\x9f\x98\x80 \xc3\xa9"},
  };
  for (const auto& [bytes, call] : cases) {
    WebSocketReader reader;
    Recorder events;
    ASSERT_TRUE(reader.feed(as_bytes(bytes), events).ok()) << call;
    EXPECT_EQ(events.calls, std::vector<std::string>{call});
  }
}

TEST(WebSocketReaderTest, KnowsWhichCloseCodesMayBeSent) {
  const auto allowed = [](int code) {
    return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
           (code >= 3000 && code <= 4999);
  };
  for (int code = 0; code <= UINT16_MAX; ++code) {
    const std::string error = feed_error(close_frame(static_cast<uint16_t>(code), ""));
    const std::string expected =
        allowed(code) ? "no error" : "1002 WebSocket close frame with code " + std::to_string(code);
    ASSERT_EQ(error, expected);
  }
}

struct BrokenCase {
  const char* name;
  std::string bytes;
  std::string error;
};

class BrokenStreamTest : public testing::TestWithParam<BrokenCase> {};

TEST_P(BrokenStreamTest, IsRefused) {
  EXPECT_EQ(feed_error(GetParam().bytes), GetParam().error);
}

TEST_P(BrokenStreamTest, IsRefusedByteByByteToo) {
  WebSocketReader reader;
  Recorder events;
  std::string error = "no error";
  for (const char& byte : GetParam().bytes) {
    const Result<> fed = reader.feed(as_bytes({&byte, 1}), events);
    if (fed) continue;
    error = std::to_string(reader.close_code()) + " " + fed.error().text();
    break;
  }
  EXPECT_EQ(error, GetParam().error);
  EXPECT_TRUE(events.data.size() <= 3) << "a broken frame was taken: " << events.data;
}

// Bytes may still arrive after the connection was given up.
TEST_P(BrokenStreamTest, IsRefusedForGood) {
  WebSocketReader reader;
  Recorder events;
  ASSERT_FALSE(reader.feed(as_bytes(GetParam().bytes), events).ok());
  const uint16_t code = reader.close_code();
  events.data.clear();
  events.calls.clear();
  for (int i = 0; i < 20; ++i)
    EXPECT_FALSE(reader.feed(as_bytes(frame(0x82, "more")), events).ok());
  EXPECT_EQ(reader.close_code(), code);
  EXPECT_EQ(events.data, "");
  EXPECT_TRUE(events.calls.empty());
}

const BrokenCase kBroken[] = {
    {"masked", "\x82\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
     "1002 WebSocket frame from the server that is masked"},
    {"reserved_bit_1", "\xc2\x01x", "1002 WebSocket frame with reserved bits"},
    {"reserved_bit_2", "\xa2\x01x", "1002 WebSocket frame with reserved bits"},
    {"reserved_bit_3", "\x92\x01x", "1002 WebSocket frame with reserved bits"},
    {"reserved_data_opcode", "\x83\x01x", "1002 WebSocket frame with reserved opcode 3"},
    {"last_reserved_data_opcode", "\x87\x01x", "1002 WebSocket frame with reserved opcode 7"},
    {"reserved_control_opcode", "\x8b\x01x", "1002 WebSocket frame with reserved opcode 11"},
    {"last_reserved_control_opcode", "\x8f\x01x", "1002 WebSocket frame with reserved opcode 15"},
    {"text", "\x81\x05Hello", "1003 WebSocket text message; the service sends binary ones only"},
    {"fragmented_ping", "\x09\x01x", "1002 WebSocket control frame that is fragmented"},
    {"fragmented_close", "\x08\x00"s, "1002 WebSocket control frame that is fragmented"},
    {"long_ping", frame(0x89, std::string(126, 'x')), "1002 WebSocket control frame of more than 125 bytes"},
    {"very_long_pong", frame(0x8a, std::string(65'536, 'x')),
     "1002 WebSocket control frame of more than 125 bytes"},
    {"continuation_of_nothing", "\x80\x01x", "1002 WebSocket continuation frame outside a message"},
    {"continuation_of_a_whole", "\x82\x01x\x80\x01y", "1002 WebSocket continuation frame outside a message"},
    {"continuation_after_the_last", "\x02\x01x\x80\x01y\x00\x01z"s,
     "1002 WebSocket continuation frame outside a message"},
    {"message_in_a_message", "\x02\x01x\x82\x01y", "1002 WebSocket message begun inside another"},
    {"message_in_a_continued_message", "\x02\x01x\x00\x01y\x02\x01z"s,
     "1002 WebSocket message begun inside another"},
    {"length_16_too_wide", "\x82\x7e\x00\x7d"s + std::string(125, 'x'),
     "1002 WebSocket frame whose length is not in its shortest form"},
    {"length_64_too_wide", "\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff"s,
     "1002 WebSocket frame whose length is not in its shortest form"},
    {"oversized", "\x82\x7f\x00\x00\x00\x00\x00\x02\x00\x05"s,
     "1009 WebSocket frame of 131077 bytes, more than 131076"},
    {"oversized_continuation", "\x02\x01x\x80\x7f\x00\x00\x00\x01\x00\x00\x00\x00"s,
     "1009 WebSocket frame of 4294967296 bytes, more than 131076"},
    {"length_of_64_bits", "\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
     "1009 WebSocket frame of 18446744073709551615 bytes, more than 131076"},
    {"close_of_one_byte", "\x88\x01\x03", "1002 WebSocket close frame of one byte"},
    {"close_no_status", close_frame(1005, ""), "1002 WebSocket close frame with code 1005"},
    {"close_reason_cut", close_frame(1000, "\xe2\x82"),
     "1007 WebSocket close frame whose reason is not UTF-8"},
    {"close_reason_overlong", close_frame(1000, "\xc0\xaf"),
     "1007 WebSocket close frame whose reason is not UTF-8"},
    {"close_reason_overlong_3", close_frame(1000, "\xe0\x9f\xbf"),
     "1007 WebSocket close frame whose reason is not UTF-8"},
    {"close_reason_overlong_4", close_frame(1000, "\xf0\x8f\xbf\xbf"),
     "1007 WebSocket close frame whose reason is not UTF-8"},
    {"close_reason_surrogate", close_frame(1000, "\xed\xa0\x80"),
     "1007 WebSocket close frame whose reason is not UTF-8"},
    {"close_reason_beyond", close_frame(1000, "\xf4\x90\x80\x80"),
     "1007 WebSocket close frame whose reason is not UTF-8"},
    {"close_reason_continuation", close_frame(1000, "a\x80"),
     "1007 WebSocket close frame whose reason is not UTF-8"},
    {"close_reason_bad_end", close_frame(1000, "\xe2\x82z"),
     "1007 WebSocket close frame whose reason is not UTF-8"},
    {"after_close", close_frame(1000, "bye") + frame(0x82, "x"), "1002 bytes after a WebSocket close frame"},
};

INSTANTIATE_TEST_SUITE_P(Cases, BrokenStreamTest, testing::ValuesIn(kBroken),
                         [](const auto& tested) { return tested.param.name; });

TEST(WebSocketReaderTest, PassesOnTheErrorOfItsUser) {
  WebSocketReader reader;
  Recorder events;
  events.refuse = "bad";
  const Result<> fed =
      reader.feed(as_bytes(frame(0x82, "good") + frame(0x82, "bad") + frame(0x89, "")), events);
  ASSERT_FALSE(fed.ok());
  EXPECT_EQ(fed.error().text(), "refused");
  EXPECT_EQ(reader.close_code(), kCloseProtocolError);
  EXPECT_EQ(events.data, "goodbad");
  EXPECT_TRUE(events.calls.empty());
}

}  // namespace
}  // namespace localproxy::wire
