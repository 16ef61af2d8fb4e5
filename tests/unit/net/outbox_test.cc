#include "net/outbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string.h>

#include <set>
#include <string>

#include "base/limits.h"
#include "tests/unit/wire/client_frame.h"

namespace localproxy::net {
namespace {

using wire::Message;
using wire::MessageType;
using wire::Opcode;

struct Frame {
  Opcode opcode;
  wire::MaskKey key;
  std::string payload;
  std::string whole;
};

// Removes the client's frame from the front of bytes, without the code under test.
Frame take_frame(std::string& bytes) {
  const auto at = [&](size_t i) { return static_cast<uint8_t>(bytes.at(i)); };
  EXPECT_EQ(at(0) & 0xf0, 0x80) << "one unfragmented frame";
  EXPECT_EQ(at(1) & 0x80, 0x80) << "masked";
  size_t size = at(1) & 0x7f;
  size_t header = 2;
  const size_t wide = size == 126 ? 2 : size == 127 ? 8 : 0;
  if (wide > 0) size = 0;
  for (; header < 2 + wide; ++header)
    size = size << 8 | at(header);
  Frame frame{static_cast<Opcode>(at(0) & 0x0f),
              {at(header), at(header + 1), at(header + 2), at(header + 3)}};
  header += 4;
  frame.whole = bytes.substr(0, header + size);
  EXPECT_EQ(frame.whole.size(), header + size);
  for (size_t i = 0; i < size; ++i)
    frame.payload.push_back(static_cast<char>(at(header + i) ^ frame.key[i % 4]));
  bytes.erase(0, header + size);
  return frame;
}

std::string pending(const Outbox& outbox) {
  return std::string(as_text(outbox.pending()));
}

std::string pattern(size_t size) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i)
    text[i] = static_cast<char>(i * 31 + i / 256);
  return text;
}

void commit(Outbox& outbox, const Route& route, std::string_view payload) {
  const MutableBytes room = outbox.payload_room();
  ASSERT_EQ(room.size(), limits::kMaxPayload);
  memcpy(room.data(), payload.data(), payload.size());
  outbox.commit_data(route, payload.size());
}

Message message_of(const Route& route, std::string payload) {
  return {.type = MessageType::kData,
          .stream_id = route.stream_id,
          .payload = std::move(payload),
          .service_id = std::string(route.service_id),
          .connection_id = route.connection_id};
}

// Both ways of framing must produce the same bytes when they use the same mask key.
void expect_framed(const std::string& bytes, const Message& message) {
  std::string rest = bytes;
  const Frame frame = take_frame(rest);
  EXPECT_TRUE(rest.empty());
  std::string expected;
  wire::append_frame(message, expected);
  ASSERT_EQ(frame.payload, expected);
  std::string whole;
  localproxy::test::append_client_frame(whole, Opcode::kBinary, as_bytes(expected), frame.key);
  ASSERT_EQ(frame.whole, whole);
}

TEST(OutboxTest, FramesDataAsTheGeneratedCodeDoes) {
  const std::string longest(limits::kMaxServiceId, 's');
  const Route routes[] = {
      {1, "", 0}, {7, "SSH", 1}, {INT32_MAX, longest, UINT32_MAX}, {-1, longest, UINT32_MAX}};
  // Around these sizes the payload's, the message's or the frame's length grows by a byte.
  static constexpr size_t kSizes[] = {1,   2,   100, 110, 117,    118,    119,    120,    121,   125,
                                      126, 127, 128, 129, 16'383, 16'384, 64'000, 64'511, 64'512};
  for (const Route& route : routes) {
    for (const size_t size : kSizes) {
      SCOPED_TRACE("stream " + std::to_string(route.stream_id) + ", payload " + std::to_string(size));
      Outbox outbox;
      const std::string payload = pattern(size);
      commit(outbox, route, payload);
      expect_framed(pending(outbox), message_of(route, payload));
      EXPECT_EQ(outbox.messages(), 1U);
    }
  }
}

TEST(OutboxTest, FramesOfAllSmallSizesFollowEachOther) {
  Outbox outbox;
  const Route route{7, "SSH", 2};
  constexpr size_t kMost = 300;
  for (size_t size = 1; size <= kMost; ++size)
    commit(outbox, route, pattern(size));
  std::string rest = pending(outbox);
  for (size_t size = 1; size <= kMost; ++size) {
    const std::string frame = take_frame(rest).whole;
    ASSERT_NO_FATAL_FAILURE(expect_framed(frame, message_of(route, pattern(size))));
  }
  EXPECT_TRUE(rest.empty());
  EXPECT_EQ(outbox.messages(), kMost);
}

TEST(OutboxTest, GivesItsMemoryBackOnlyWhenNothingWaits) {
  Outbox outbox;
  const Route route{7, "SSH", 2};
  const std::string payload = pattern(limits::kMaxPayload);
  commit(outbox, route, payload);
  outbox.give_back();
  expect_framed(pending(outbox), message_of(route, payload));
  outbox.consume(outbox.size());
  outbox.give_back();
  EXPECT_TRUE(outbox.has_room());
  outbox.append_control(Opcode::kPing, {});
  commit(outbox, route, payload);
  std::string rest = pending(outbox);
  EXPECT_EQ(take_frame(rest).opcode, Opcode::kPing);
  expect_framed(rest, message_of(route, payload));
}

TEST(OutboxTest, AppendsOtherMessagesAndControlFrames) {
  Outbox outbox;
  const Message start{
      .type = MessageType::kStreamStart, .stream_id = 7, .service_id = "SSH", .connection_id = 1};
  outbox.append(start);
  outbox.append_control(Opcode::kPing, {});
  outbox.append_control(Opcode::kPong, as_bytes(std::string(limits::kMaxControlPayload, 'p')));
  std::string rest = pending(outbox);
  expect_framed(take_frame(rest).whole, start);
  const Frame ping = take_frame(rest);
  EXPECT_EQ(ping.opcode, Opcode::kPing);
  EXPECT_EQ(ping.payload, "");
  const Frame pong = take_frame(rest);
  EXPECT_EQ(pong.opcode, Opcode::kPong);
  EXPECT_EQ(pong.payload, std::string(limits::kMaxControlPayload, 'p'));
  EXPECT_TRUE(rest.empty());
  EXPECT_EQ(outbox.messages(), 1U) << "control frames are no messages";
}

TEST(OutboxTest, IsEmptyFromTheStart) {
  Outbox outbox;
  EXPECT_TRUE(outbox.empty());
  EXPECT_EQ(outbox.size(), 0U);
  EXPECT_TRUE(outbox.pending().empty());
  EXPECT_TRUE(outbox.has_room());
  EXPECT_EQ(outbox.messages(), 0U);
}

const std::string kLongest(limits::kMaxServiceId, 's');
const Route kLongestRoute{-1, kLongest, UINT32_MAX};

TEST(OutboxTest, HasRoomForTwoLargestMessages) {
  Outbox outbox;
  const std::string payload = pattern(limits::kMaxPayload);
  commit(outbox, kLongestRoute, payload);
  ASSERT_TRUE(outbox.has_room());
  commit(outbox, kLongestRoute, payload);
  EXPECT_FALSE(outbox.has_room());
  EXPECT_LE(outbox.size(), limits::kTunnelOutputBudget);
  std::string rest = pending(outbox);
  for (int i = 0; i < 2; ++i)
    expect_framed(take_frame(rest).whole, message_of(kLongestRoute, payload));
  EXPECT_TRUE(rest.empty());
}

TEST(OutboxTest, SmallMessagesNeverGoOverTheBudget) {
  Outbox outbox;
  while (outbox.has_room())
    commit(outbox, kLongestRoute, pattern(1'000));
  EXPECT_LE(outbox.size(), limits::kTunnelOutputBudget);
  EXPECT_GT(outbox.size(), limits::kTunnelOutputBudget - 66'000);
}

TEST(OutboxTest, ConsumingTakesFromTheFrontAndAllMakesRoom) {
  Outbox outbox;
  while (outbox.has_room())
    commit(outbox, kLongestRoute, pattern(limits::kMaxPayload));
  const std::string all = pending(outbox);
  outbox.consume(1'000);
  EXPECT_EQ(pending(outbox), all.substr(1'000));
  EXPECT_EQ(outbox.size(), all.size() - 1'000);
  EXPECT_FALSE(outbox.has_room());
  outbox.consume(all.size() - 1'001);
  EXPECT_FALSE(outbox.empty());
  EXPECT_EQ(pending(outbox), all.substr(all.size() - 1));
  outbox.consume(1);
  EXPECT_TRUE(outbox.empty());
  EXPECT_TRUE(outbox.has_room());
  commit(outbox, kLongestRoute, "again");
  expect_framed(pending(outbox), message_of(kLongestRoute, "again"));
}

TEST(OutboxTest, FramingBehindAPartlyConsumedFrameLeavesItAlone) {
  Outbox outbox;
  commit(outbox, kLongestRoute, pattern(500));
  const std::string first = pending(outbox);
  outbox.consume(100);
  commit(outbox, kLongestRoute, pattern(300));
  std::string both = pending(outbox);
  EXPECT_EQ(both.substr(0, first.size() - 100), first.substr(100));
  expect_framed(both.substr(first.size() - 100), message_of(kLongestRoute, pattern(300)));
}

TEST(OutboxTest, ControlFramesFindRoomInFrontWhenThereIsNoneBehind) {
  Outbox outbox;
  while (outbox.has_room())
    commit(outbox, kLongestRoute, pattern(limits::kMaxPayload));
  const std::string all = pending(outbox);
  outbox.consume(70'000);
  const std::string ping = pattern(100);
  for (int i = 0; i < 100; ++i)
    outbox.append_control(Opcode::kPong, as_bytes(ping));
  std::string rest = pending(outbox);
  ASSERT_EQ(rest.substr(0, all.size() - 70'000), all.substr(70'000));
  rest.erase(0, all.size() - 70'000);
  for (int i = 0; i < 100; ++i)
    ASSERT_EQ(take_frame(rest).payload, ping);
  EXPECT_TRUE(rest.empty());
}

TEST(OutboxTest, GrowsForMandatoryMessagesWhenFull) {
  Outbox outbox;
  while (outbox.has_room())
    commit(outbox, kLongestRoute, pattern(limits::kMaxPayload));
  const std::string all = pending(outbox);
  const Message reset{
      .type = MessageType::kConnectionReset, .stream_id = 7, .service_id = kLongest, .connection_id = 1};
  for (int i = 0; i < 100; ++i)
    outbox.append(reset);
  EXPECT_GT(outbox.size(), limits::kTunnelOutputBudget);
  std::string rest = pending(outbox);
  ASSERT_EQ(rest.substr(0, all.size()), all);
  rest.erase(0, all.size());
  for (int i = 0; i < 100; ++i)
    ASSERT_NO_FATAL_FAILURE(expect_framed(take_frame(rest).whole, reset));
  EXPECT_TRUE(rest.empty());
  outbox.consume(outbox.size());
  EXPECT_TRUE(outbox.empty());
}

TEST(OutboxTest, EveryFrameHasItsOwnKey) {
  // More frames than keys are drawn at once.
  constexpr size_t kFrames = 600;
  Outbox outbox;
  for (size_t i = 0; i < kFrames; ++i)
    outbox.append_control(Opcode::kPing, {});
  std::set<wire::MaskKey> keys;
  std::string rest = pending(outbox);
  while (!rest.empty())
    keys.insert(take_frame(rest).key);
  // Two may be equal by chance, but hardly more.
  EXPECT_GE(keys.size(), kFrames - 3);
}

TEST(OutboxDeathTest, GivesNoRoomWhenFull) {
  Outbox outbox;
  while (outbox.has_room())
    commit(outbox, kLongestRoute, pattern(limits::kMaxPayload));
  EXPECT_EXIT(outbox.payload_room(), testing::ExitedWithCode(71), "outbox is full");
}

}  // namespace
}  // namespace localproxy::net
