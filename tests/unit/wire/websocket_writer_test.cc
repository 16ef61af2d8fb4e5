#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/unit/wire/client_frame.h"
#include "wire/websocket.h"

namespace localproxy::wire {
namespace {

using namespace std::string_literals;

constexpr MaskKey kKey = {0x37, 0xfa, 0x21, 0x3d};  // RFC 6455, 5.7

std::string header_of(Opcode opcode, size_t payload_size) {
  std::string header(client_header_size(payload_size) + 1, '\x55');
  write_client_header(reinterpret_cast<uint8_t*>(header.data()), opcode, payload_size, kKey);
  EXPECT_EQ(header.back(), '\x55');
  header.pop_back();
  return header;
}

TEST(ClientFrameTest, MatchesTheExampleOfTheRfc) {
  std::string out = "before";
  test::append_client_frame(out, Opcode::kText, as_bytes("Hello"), kKey);
  EXPECT_EQ(out, "before\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
  out.clear();
  test::append_client_frame(out, Opcode::kPong, as_bytes("Hello"), kKey);
  EXPECT_EQ(out, "\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
}

TEST(ClientFrameTest, MayBeEmpty) {
  std::string out;
  test::append_client_frame(out, Opcode::kPing, {}, kKey);
  EXPECT_EQ(out, "\x89\x80\x37\xfa\x21\x3d");
}

TEST(ClientHeaderTest, HasTheShortestLength) {
  const std::string key = "\x37\xfa\x21\x3d";
  EXPECT_EQ(header_of(Opcode::kBinary, 0), "\x82\x80" + key);
  EXPECT_EQ(header_of(Opcode::kBinary, 125), "\x82\xfd" + key);
  EXPECT_EQ(header_of(Opcode::kBinary, 126), "\x82\xfe\x00\x7e"s + key);
  EXPECT_EQ(header_of(Opcode::kBinary, 256), "\x82\xfe\x01\x00"s + key);
  EXPECT_EQ(header_of(Opcode::kBinary, 65'535), "\x82\xfe\xff\xff" + key);
  EXPECT_EQ(header_of(Opcode::kBinary, 65'536), "\x82\xff\0\0\0\0\0\x01\0\0"s + key);
  EXPECT_EQ(header_of(Opcode::kBinary, limits::kMaxWebSocketPayload), "\x82\xff\0\0\0\0\0\x02\0\x04"s + key);
  EXPECT_EQ(client_header_size(limits::kMaxWebSocketPayload), kMaxClientHeader);
}

TEST(ClientHeaderDeathTest, NeedsAPayloadThatTheServiceTakes) {
  uint8_t room[kMaxClientHeader];
  EXPECT_DEATH(write_client_header(room, Opcode::kBinary, limits::kMaxWebSocketPayload + 1, kKey),
               "WebSocket payload of a wrong size");
}

class MaskTest : public testing::Test {
 protected:
  static constexpr size_t kMostBytes = 200;
  static constexpr size_t kMostAlignment = 16;

  static std::vector<uint8_t> source(size_t size) {
    std::vector<uint8_t> bytes(size);
    for (size_t i = 0; i < size; ++i)
      bytes[i] = static_cast<uint8_t>(i * 31 + 7);
    return bytes;
  }
  static std::vector<uint8_t> masked_one_by_one(const uint8_t* from, size_t size, size_t offset) {
    std::vector<uint8_t> bytes(from, from + size);
    for (size_t i = 0; i < size; ++i)
      bytes[i] ^= kKey[(offset + i) % 4];
    return bytes;
  }
};

TEST_F(MaskTest, IsRightForEveryLengthAlignmentAndOffset) {
  const std::vector<uint8_t> from = source(kMostBytes + kMostAlignment);
  for (size_t size = 0; size <= kMostBytes; ++size) {
    for (size_t start = 0; start < kMostAlignment; ++start) {
      for (size_t offset = 0; offset < 5; ++offset) {
        const std::vector<uint8_t> expected = masked_one_by_one(&from[start], size, offset);
        std::vector<uint8_t> to(size + 2, 0x55);
        mask(&to[1], &from[start], size, kKey, offset);
        ASSERT_EQ(std::vector<uint8_t>(to.begin() + 1, to.end() - 1), expected)
            << size << " bytes from " << start << ", offset " << offset;
        ASSERT_TRUE(to.front() == 0x55 && to.back() == 0x55) << "written outside its " << size << " bytes";
      }
    }
  }
}

TEST_F(MaskTest, WorksInPlaceAndToTheFront) {
  for (size_t size = 0; size <= kMostBytes; ++size) {
    for (size_t distance = 0; distance <= 70; ++distance) {
      for (size_t offset = 0; offset < 4; ++offset) {
        std::vector<uint8_t> bytes = source(distance + size + 1);
        const uint8_t behind = bytes.back();
        const std::vector<uint8_t> expected = masked_one_by_one(bytes.data() + distance, size, offset);
        mask(bytes.data(), bytes.data() + distance, size, kKey, offset);
        ASSERT_TRUE(std::equal(expected.begin(), expected.end(), bytes.begin()))
            << size << " bytes by " << distance << ", offset " << offset;
        ASSERT_EQ(bytes.back(), behind);
      }
    }
  }
}

TEST_F(MaskTest, TwiceRestoresTheInput) {
  const std::vector<uint8_t> original = source(1000);
  std::vector<uint8_t> bytes = original;
  mask(bytes.data(), bytes.data(), bytes.size(), kKey, 0);
  EXPECT_NE(bytes, original);
  // In two parts, the second at an odd offset.
  mask(bytes.data(), bytes.data(), 333, kKey, 0);
  mask(bytes.data() + 333, bytes.data() + 333, bytes.size() - 333, kKey, 333);
  EXPECT_EQ(bytes, original);
}

TEST_F(MaskTest, TakesTheLargestOffset) {
  uint8_t byte = 0;
  mask(&byte, &byte, 1, kKey, SIZE_MAX);
  EXPECT_EQ(byte, kKey[3]);
}

TEST(ClosePayloadTest, IsTheCodeAndTheReason) {
  EXPECT_EQ(close_payload(kCloseNormal, ""), "\x03\xe8");
  EXPECT_EQ(close_payload(kCloseProtocolError, "bad frame"), "\x03\xea"s + "bad frame");
  EXPECT_EQ(close_payload(kCloseNoStatus, "not sent"), "");
}

TEST(ClosePayloadTest, FitsAControlFrame) {
  const std::string fits(123, 'r');
  EXPECT_EQ(close_payload(kCloseNormal, fits), "\x03\xe8" + fits);
  EXPECT_EQ(close_payload(kCloseNormal, fits + "r"), "\x03\xe8" + fits);
}

TEST(ClosePayloadTest, IsNotCutInsideACharacter) {
  const std::string euro = "\xe2\x82\xac";
  for (size_t before : {120U, 121U, 122U, 123U}) {
    const std::string ascii(before, 'r');
    EXPECT_EQ(close_payload(kCloseNormal, ascii + euro + "and more"),
              "\x03\xe8" + (before == 120 ? ascii + euro : ascii));
  }
}

}  // namespace
}  // namespace localproxy::wire
