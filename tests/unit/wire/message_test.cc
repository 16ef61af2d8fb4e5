#include "wire/message.h"

#include <gtest/gtest.h>

#include <string>

#include "base/limits.h"

namespace localproxy::wire {
namespace {

using namespace std::string_literals;

std::string decode_error(const std::string& bytes) {
  const Result<Message> message = decode_message(as_bytes(bytes));
  return message ? "no error" : message.error().text();
}

TEST(MessageTypeTest, HasTheNameOfTheSchema) {
  const char* const names[] = {"UNKNOWN",       "DATA",        "STREAM_START",     "STREAM_RESET",
                               "SESSION_RESET", "SERVICE_IDS", "CONNECTION_START", "CONNECTION_RESET"};
  for (int i = 0; i < static_cast<int>(std::size(names)); ++i)
    EXPECT_EQ(to_string(static_cast<MessageType>(i)), names[i]);
  EXPECT_EQ(to_string(static_cast<MessageType>(8)), "type 8");
  EXPECT_EQ(to_string(static_cast<MessageType>(-1)), "type -1");
}

TEST(DecodeMessageTest, TakesFieldsInAnyOrderAndTheLastOfMany) {
  const std::string bytes = "\x38\x02\x2a\x01y\x22\x01p\x10\x07\x2a\x01z\x10\x08\x08\x01"s;
  const Result<Message> message = decode_message(as_bytes(bytes));
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(*message, (Message{.type = MessageType::kData,
                               .stream_id = 8,
                               .payload = "p",
                               .service_id = "z",
                               .connection_id = 2}));
}

TEST(DecodeMessageTest, TakesExplicitZeros) {
  const std::string bytes = "\x08\x00\x10\x00\x18\x00\x22\x00\x2a\x00\x38\x00"s;
  const Result<Message> message = decode_message(as_bytes(bytes));
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(*message, Message{});
}

TEST(DecodeMessageTest, RejectsBytesThatAreNotAMessage) {
  const std::string broken[] = {
      "\x08",                                              // a tag without a value
      "\x08\x80",                                          // a varint without an end
      "\x10\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",  // a varint of eleven bytes
      "\x22\x05xxxx",                                      // bytes without their end
      "\x22\xff\xff\xff\xff\x0f",                          // a length of 4 GiB
      "\x22\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",      // a length below zero
      "\x00"s,                                             // field number 0
      "\x08\x01\x00\x00"s,                                 // and after a field
      "\x0c",                                              // the end of no group
      "\x43",                                              // a group without its end
      "\x0e\x01",                                          // wire type 6
      "\x0f\x01",                                          // wire type 7
      std::string(200, '\x43'),                            // groups in groups
      "GET / HTTP/1.1\r\n",
  };
  for (const std::string& bytes : broken)
    EXPECT_EQ(decode_error(bytes),
              "message of " + std::to_string(bytes.size()) + " bytes that is not well-formed protobuf")
        << testing::PrintToString(bytes);
}

TEST(DecodeMessageTest, RejectsAGroupOutsideTheSchema) {
  EXPECT_EQ(decode_error("\x08\x01\x43\x44"), "DATA message with 2 bytes of fields outside the schema");
  EXPECT_EQ(decode_error("\x08\x09\x0b\x0c"), "type 9 message with 2 bytes of fields outside the schema");
}

TEST(DecodeMessageTest, RejectsWhatIsLongerThanAFrame) {
  EXPECT_EQ(decode_error(std::string(65'536, 'a')), "message of 65536 bytes, more than 65535");
}

TEST(DecodeMessageTest, RejectsManyServicesInOneMessage) {
  std::string bytes = "\x08\x05";
  while (bytes.size() + 2 <= limits::kMaxMessage)
    bytes += "\x32\x00"s;
  EXPECT_EQ(decode_error(bytes), "SERVICE_IDS message with 32766 services, more than 64");
}

TEST(AppendFrameTest, AppendsTheLongestMessage) {
  const Message message{.type = MessageType::kData,
                        .stream_id = -1,
                        .ignorable = true,
                        .payload = std::string(limits::kMaxPayload, 'p'),
                        .service_id = std::string(limits::kMaxServiceId, 's'),
                        .connection_id = UINT32_MAX};
  std::string out;
  append_frame(message, out);
  append_frame(Message{}, out);
  ASSERT_GT(out.size(), limits::kMaxPayload);
  const size_t size = load_be<uint16_t>(as_bytes(out).data());
  ASSERT_EQ(out.size(), 2 + size + 2);
  EXPECT_EQ(out.substr(2 + size), "\0\0"s);
  const Result<Message> decoded = decode_message(as_bytes(out).subspan(2, size));
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(*decoded, message);
}

TEST(AppendFrameDeathTest, EndsTheProcessWhenTheLengthDoesNotFit) {
  const Message message{.type = MessageType::kData, .payload = std::string(65'536, 'p')};
  std::string out;
  EXPECT_DEATH(append_frame(message, out), "message does not fit its frame");
}

}  // namespace
}  // namespace localproxy::wire
