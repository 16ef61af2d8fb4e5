#include "wire/data.h"

#include <gtest/gtest.h>

#include <string>

#include "wire/message.h"

namespace localproxy::wire {
namespace {

using namespace std::string_literals;

// The values at which the size of a varint changes, and their neighbours.
constexpr int32_t kStreamIds[] = {
    0, 1, 127, 128, 16'383, 16'384, 2'097'151, 2'097'152, 268'435'455, 268'435'456, INT32_MAX, INT32_MIN, -1};
constexpr uint32_t kConnectionIds[] = {0,         1,         127,         128,         16'383,    16'384,
                                       2'097'151, 2'097'152, 268'435'455, 268'435'456, UINT32_MAX};
constexpr size_t kPayloadSizes[] = {1, 2, 127, 128, 16'383, 16'384, 64'511, 64'512};
constexpr size_t kServiceIdSizes[] = {0, 1, 127, 128};

constexpr uint8_t kUntouched = 0xa5;

// Writes what surrounds message's payload, between guard bytes that must not change.
std::string framed_by_hand(const Message& message) {
  const size_t prefix = data_prefix_size(message.stream_id, message.payload.size());
  const size_t suffix = data_suffix_size(message.service_id, message.connection_id);
  const std::string border(8, static_cast<char>(kUntouched));
  std::string out = border + std::string(prefix, '\0') + message.payload + std::string(suffix, '\0') + border;
  auto* at = reinterpret_cast<uint8_t*>(out.data()) + border.size();
  write_data_prefix(at, message.stream_id, message.payload.size(), suffix);
  write_data_suffix(at + prefix + message.payload.size(), message.service_id, message.connection_id);
  EXPECT_EQ(out.substr(0, border.size()), border);
  EXPECT_EQ(out.substr(out.size() - border.size()), border);
  return out.substr(border.size(), out.size() - 2 * border.size());
}

template <typename Check>
void for_all_combinations(Check check) {
  for (const size_t payload : kPayloadSizes) {
    Message message{.type = MessageType::kData, .payload = std::string(payload, 'p')};
    for (const size_t service_id : kServiceIdSizes) {
      message.service_id = std::string(service_id, 's');
      for (const int32_t stream_id : kStreamIds) {
        message.stream_id = stream_id;
        for (const uint32_t connection_id : kConnectionIds) {
          message.connection_id = connection_id;
          check(message);
        }
      }
    }
  }
}

std::string description(const Message& message) {
  return "stream " + std::to_string(message.stream_id) + ", payload " +
         std::to_string(message.payload.size()) + ", service id " +
         std::to_string(message.service_id.size()) + ", connection " + std::to_string(message.connection_id);
}

TEST(WriteDataTest, MatchesTheGeneratedCode) {
  for_all_combinations([](const Message& message) {
    std::string generated;
    append_frame(message, generated);
    // Not EXPECT_EQ, which would print both.
    ASSERT_TRUE(framed_by_hand(message) == generated) << description(message);
  });
}

TEST(WriteDataTest, MatchesTheGeneratedCodeAtEveryLength) {
  Message message{.type = MessageType::kData, .stream_id = 300, .connection_id = 5};
  std::string generated;
  const auto compare = [&] {
    generated.clear();
    append_frame(message, generated);
    ASSERT_TRUE(framed_by_hand(message) == generated) << description(message);
  };
  message.payload = "p";
  for (size_t size = 0; size <= limits::kMaxServiceId; ++size) {
    message.service_id = std::string(size, 's');
    ASSERT_NO_FATAL_FAILURE(compare());
  }
  message.service_id = "SSH";
  for (size_t size = 1; size <= limits::kMaxPayload; ++size) {
    message.payload.resize(size, 'p');
    ASSERT_NO_FATAL_FAILURE(compare());
  }
}

TEST(WriteDataTest, TakesAsMuchRoomAsTheHeaderSays) {
  EXPECT_EQ(data_prefix_size(-1, limits::kMaxPayload), kMaxDataPrefix);
  EXPECT_EQ(data_suffix_size(std::string(limits::kMaxServiceId, 's'), UINT32_MAX), kMaxDataSuffix);
  EXPECT_EQ(data_prefix_size(0, 1), 6U);
  EXPECT_EQ(data_suffix_size("", 0), 0U);
}

TEST(WriteDataDeathTest, NeedsAPayloadOfAValidSize) {
  uint8_t room[kMaxDataPrefix];
  EXPECT_DEATH(write_data_prefix(room, 1, 0, 0), "DATA payload of a wrong size");
  EXPECT_DEATH(write_data_prefix(room, 1, limits::kMaxPayload + 1, 0), "DATA payload of a wrong size");
  EXPECT_DEATH(write_data_prefix(room, 1, 1, kMaxDataSuffix + 1), "DATA suffix of a wrong size");
}

TEST(DecodeDataTest, ReadsWhatTheGeneratedCodeWrote) {
  for_all_combinations([](const Message& message) {
    std::string frame;
    append_frame(message, frame);
    const Bytes bytes = as_bytes(frame).subspan(2);
    DataView view;
    ASSERT_TRUE(decode_data(bytes, view)) << description(message);
    EXPECT_EQ(view.stream_id, message.stream_id);
    EXPECT_EQ(view.service_id, message.service_id);
    EXPECT_EQ(view.connection_id, message.connection_id);
    ASSERT_TRUE(as_text(view.payload) == message.payload) << description(message);
    EXPECT_GE(view.payload.data(), bytes.data()) << "not a view of the message";
    EXPECT_LT(view.payload.data(), bytes.data() + bytes.size()) << "not a view of the message";
  });
}

TEST(DecodeDataTest, TakesFieldsThatAreAbsentOrZero) {
  for (const std::string& bytes :
       {"\x08\x01"s, "\x08\x01\x10\x00\x18\x00\x22\x00\x2a\x00\x38\x00"s, "\x08\x01\x18\x01"s}) {
    const uint8_t old = 0;
    DataView view{.stream_id = 9, .service_id = "old", .connection_id = 9, .payload = {&old, 1}};
    ASSERT_TRUE(decode_data(as_bytes(bytes), view));
    EXPECT_EQ(view.stream_id, 0);
    EXPECT_EQ(view.service_id, "");
    EXPECT_EQ(view.connection_id, 0U);
    EXPECT_TRUE(view.payload.empty());
  }
}

TEST(DecodeDataTest, CutsNumbersToTheirWidthAsTheGeneratedCodeDoes) {
  const std::string bytes = "\x08\x01\x10\x81\x80\x80\x80\x10\x38\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
  DataView view;
  ASSERT_TRUE(decode_data(as_bytes(bytes), view));
  const Result<Message> message = decode_message(as_bytes(bytes));
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(view.stream_id, 1);
  EXPECT_EQ(view.stream_id, message->stream_id);
  EXPECT_EQ(view.connection_id, UINT32_MAX);
  EXPECT_EQ(view.connection_id, message->connection_id);
}

struct DeclinedCase {
  const char* name;
  std::string bytes;
};

class DeclinedDataTest : public testing::TestWithParam<DeclinedCase> {};

TEST_P(DeclinedDataTest, LeavesTheViewAlone) {
  DataView view{.stream_id = 9, .service_id = "old", .connection_id = 8};
  EXPECT_FALSE(decode_data(as_bytes(GetParam().bytes), view));
  EXPECT_EQ(view.stream_id, 9);
  EXPECT_EQ(view.service_id, "old");
  EXPECT_EQ(view.connection_id, 8U);
  EXPECT_TRUE(view.payload.empty());
}

const DeclinedCase kDeclined[] = {
    {"empty", ""},
    {"no_type", "\x10\x01\x22\x01x"},
    {"only_the_tag_of_type", "\x08"},
    {"another_type", "\x08\x02\x10\x01"},
    {"type_written_long", "\x08\x81\x00\x10\x01"s},
    {"two_types", "\x08\x01\x08\x01"},
    {"two_streams", "\x08\x01\x10\x01\x10\x01"},
    {"payload_before_stream", "\x08\x01\x22\x01x\x10\x01"},
    {"payload_before_ignorable", "\x08\x01\x22\x01x\x18\x01"},
    {"service_before_payload", "\x08\x01\x2a\x01s\x22\x01x"},
    {"connection_before_service", "\x08\x01\x38\x01\x2a\x01s"},
    {"service_ids", "\x08\x01\x22\x01x\x32\x01s"},
    {"field_8", "\x08\x01\x22\x01x\x40\x01"},
    {"wrong_wire_type", "\x08\x01\x12\x01x"},
    {"tag_written_long", "\x08\x01\x90\x00\x01"s},
    {"stream_cut", "\x08\x01\x10\x80"},
    {"stream_of_eleven_bytes", "\x08\x01\x10\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"},
    {"stream_beyond_64_bits", "\x08\x01\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"},
    {"payload_cut", "\x08\x01\x22\x02x"},
    {"payload_without_length", "\x08\x01\x22"},
    {"payload_length_written_long", "\x08\x01\x22\x81\x80\x80\x00x"s},
    {"payload_of_4_gib", "\x08\x01\x22\xff\xff\xff\xff\x0f"},
    {"payload_too_long", "\x08\x01\x22\x81\xf8\x03"s + std::string(limits::kMaxPayload + 1, 'x')},
    {"service_id_cut", "\x08\x01\x2a\x02s"},
    {"service_id_too_long", "\x08\x01\x2a\x81\x01" + std::string(limits::kMaxServiceId + 1, 's')},
    {"service_id_with_a_space", "\x08\x01\x2a\x03s s"},
    {"service_id_not_utf8", "\x08\x01\x2a\x01\xff"},
    {"connection_cut", "\x08\x01\x38"},
    {"something_at_the_end", "\x08\x01\x38\x01\x00"s},
};

INSTANTIATE_TEST_SUITE_P(Cases, DeclinedDataTest, testing::ValuesIn(kDeclined),
                         [](const auto& tested) { return tested.param.name; });

TEST(DecodeDataTest, IsExactAtEveryLength) {
  const std::string whole = "\x08\x01\x10\x80\x01\x18\x01\x22\x02xx\x2a\x02ss\x38\x80\x01";
  // Where a message may end: after each of its fields.
  const std::string ends = "\x02\x05\x07\x0b\x0f\x12";
  for (size_t size = 0; size <= whole.size(); ++size) {
    DataView view;
    const bool at_an_end = ends.find(static_cast<char>(size)) != ends.npos;
    EXPECT_EQ(decode_data(as_bytes(whole).first(size), view), at_an_end) << size;
    EXPECT_EQ(decode_message(as_bytes(whole).first(size)).ok(), size == 0 || at_an_end) << size;
  }
}

}  // namespace
}  // namespace localproxy::wire
