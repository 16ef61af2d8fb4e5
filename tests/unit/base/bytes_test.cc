#include "base/bytes.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace localproxy {
namespace {

using Raw = std::vector<uint8_t>;

template <typename T>
Raw stored(T value) {
  Raw raw(sizeof(T));
  store_be(raw.data(), value);
  return raw;
}

TEST(BytesTest, StoresTheMostSignificantByteFirst) {
  EXPECT_EQ(stored<uint8_t>(0xab), (Raw{0xab}));
  EXPECT_EQ(stored<uint16_t>(0x0102), (Raw{1, 2}));
  EXPECT_EQ(stored<uint32_t>(0x01020304), (Raw{1, 2, 3, 4}));
  EXPECT_EQ(stored<uint64_t>(0xfffefdfcfbfaf9f8), (Raw{0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0xfa, 0xf9, 0xf8}));
}

TEST(BytesTest, StoresNothingOutsideTheValue) {
  Raw raw(4, 0x55);
  store_be(raw.data() + 1, uint16_t{0x0102});
  EXPECT_EQ(raw, (Raw{0x55, 1, 2, 0x55}));
}

TEST(BytesTest, LoadsWhatWasStored) {
  for (const uint64_t value :
       {uint64_t{0}, uint64_t{1}, uint64_t{0x8000000000000000}, UINT64_MAX, uint64_t{0x0123456789abcdef}}) {
    EXPECT_EQ(load_be<uint64_t>(stored(value).data()), value);
    EXPECT_EQ(load_be<uint32_t>(stored(static_cast<uint32_t>(value)).data()), static_cast<uint32_t>(value));
    EXPECT_EQ(load_be<uint16_t>(stored(static_cast<uint16_t>(value)).data()), static_cast<uint16_t>(value));
    EXPECT_EQ(load_be<uint8_t>(stored(static_cast<uint8_t>(value)).data()), static_cast<uint8_t>(value));
  }
}

TEST(BytesTest, TextAndBytesAreTheSameMemory) {
  const std::string_view text("a\0\xff", 3);
  const Bytes bytes = as_bytes(text);
  ASSERT_EQ(bytes.size(), 3U);
  EXPECT_EQ(bytes[2], 0xff);
  EXPECT_EQ(as_text(bytes).data(), text.data());
  EXPECT_EQ(as_text(bytes), text);
}

TEST(ByteReaderTest, TakesValuesInOrderAndEnds) {
  const Raw raw{1, 2, 3, 4, 5, 6, 7, 'x', 'y'};
  ByteReader reader(raw);
  uint8_t one = 0;
  uint16_t two = 0;
  uint32_t four = 0;
  Bytes rest;
  EXPECT_TRUE(reader.take(one));
  EXPECT_TRUE(reader.take(two));
  EXPECT_TRUE(reader.take(four));
  EXPECT_EQ(reader.remaining(), 2U);
  EXPECT_FALSE(reader.finished());
  EXPECT_TRUE(reader.take(rest, 2));
  EXPECT_EQ(one, 1);
  EXPECT_EQ(two, 0x0203);
  EXPECT_EQ(four, 0x04050607U);
  EXPECT_EQ(as_text(rest), "xy");
  EXPECT_TRUE(reader.finished());
}

TEST(ByteReaderTest, NothingIsTakenFromNothing) {
  ByteReader reader{Bytes{}};
  EXPECT_TRUE(reader.finished());
  Bytes none;
  EXPECT_TRUE(reader.take(none, 0));
  EXPECT_TRUE(reader.finished());
  uint8_t byte = 7;
  EXPECT_FALSE(reader.take(byte));
  EXPECT_EQ(byte, 7);
  EXPECT_FALSE(reader.finished());
}

TEST(ByteReaderTest, EverythingFailsAfterTheFirstFailure) {
  const Raw raw{1, 2, 3};
  ByteReader reader(raw);
  uint32_t four = 9;
  EXPECT_FALSE(reader.take(four));
  EXPECT_EQ(four, 9U);
  uint8_t one = 9;
  EXPECT_FALSE(reader.take(one));
  EXPECT_EQ(one, 9);
  Bytes bytes;
  EXPECT_FALSE(reader.take(bytes, 0));
  EXPECT_FALSE(reader.finished());
}

TEST(ByteReaderTest, HugeSizesDoNotWrapAround) {
  const Raw raw{1, 2, 3};
  ByteReader reader(raw);
  Bytes bytes;
  EXPECT_FALSE(reader.take(bytes, SIZE_MAX));
  EXPECT_TRUE(bytes.empty());
}

}  // namespace
}  // namespace localproxy
