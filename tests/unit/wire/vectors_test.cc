// Tests the decoders and encoders with vectors.txt, which make_vectors.py generates.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "wire/data.h"
#include "wire/message.h"

namespace localproxy::wire {
namespace {

struct Vector {
  bool accept = false;
  std::string name;
  std::map<std::string, std::string> fields;  // as written in the file

  std::string text(const std::string& field) const {
    const auto found = fields.find(field);
    return found == fields.end() ? "" : found->second;
  }
  int64_t number(const std::string& field) const {
    const std::string digits = text(field);
    return digits.empty() ? 0 : std::stoll(digits);
  }
};

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);)
    parts.push_back(part);
  return parts;
}

// "0a0b+61*3": hexadecimal, and a byte with a repeat count. "-": nothing.
std::string unhex(const std::string& text) {
  std::string bytes;
  if (text == "-") return bytes;
  for (const std::string& part : split(text, '+')) {
    const size_t star = part.find('*');
    const size_t count = star == part.npos ? 1 : std::stoul(part.substr(star + 1));
    std::string once;
    for (size_t i = 0; i + 1 < std::min(star, part.size() + 1); i += 2)
      once += static_cast<char>(std::stoi(part.substr(i, 2), nullptr, 16));
    for (size_t i = 0; i < count; ++i)
      bytes += once;
  }
  return bytes;
}

std::vector<Vector> read_vectors() {
  std::vector<Vector> vectors;
  std::ifstream file(LOCALPROXY_VECTORS);
  for (std::string line; std::getline(file, line);) {
    std::vector<std::string> words = split(line, ' ');
    Vector vector{.accept = words.at(0) == "accept", .name = words.at(1)};
    for (size_t i = 2; i < words.size(); ++i) {
      const size_t equals = words[i].find('=');
      vector.fields[words[i].substr(0, equals)] = words[i].substr(equals + 1);
    }
    vectors.push_back(vector);
  }
  return vectors;
}

Message expected_message(const Vector& vector) {
  Message message;
  message.type = static_cast<MessageType>(vector.number("type"));
  message.stream_id = static_cast<int32_t>(vector.number("stream"));
  message.ignorable = vector.number("ignorable") != 0;
  message.payload = unhex(vector.text("payload"));
  message.service_id = vector.text("service");
  message.service_ids = split(vector.text("ids"), ',');
  message.connection_id = static_cast<uint32_t>(vector.number("connection"));
  return message;
}

std::string with_length(const std::string& message) {
  uint8_t length[2];
  store_be(length, static_cast<uint16_t>(message.size()));
  return std::string(as_text(length)) + message;
}

class VectorsTest : public testing::Test {
 protected:
  // The vectors of one kind. Fails when there are none, for example when the file is missing.
  std::vector<Vector> vectors(bool accept) {
    std::vector<Vector> chosen;
    for (const Vector& vector : read_vectors()) {
      if (vector.accept == accept) chosen.push_back(vector);
    }
    EXPECT_GT(chosen.size(), 15U);
    return chosen;
  }
};

TEST_F(VectorsTest, DecodeToTheirFields) {
  for (const Vector& vector : vectors(true)) {
    const std::string bytes = unhex(vector.text("bytes"));
    const Result<Message> message = decode_message(as_bytes(bytes));
    ASSERT_TRUE(message.ok()) << vector.name << ": " << message.error().text();
    EXPECT_EQ(*message, expected_message(vector)) << vector.name;
  }
}

TEST_F(VectorsTest, AreEncodedFromTheirFields) {
  for (const Vector& vector : vectors(true)) {
    std::string frame = "before";
    append_frame(expected_message(vector), frame);
    EXPECT_EQ(frame, "before" + with_length(unhex(vector.text("bytes")))) << vector.name;
  }
}

TEST_F(VectorsTest, OfDataMatchTheFrameAroundAPayload) {
  int seen = 0;
  for (const Vector& vector : vectors(true)) {
    const Message message = expected_message(vector);
    if (message.type != MessageType::kData || message.payload.empty() || message.ignorable) continue;
    ++seen;
    const size_t prefix = data_prefix_size(message.stream_id, message.payload.size());
    const size_t suffix = data_suffix_size(message.service_id, message.connection_id);
    std::string frame(prefix, '\0');
    frame += message.payload + std::string(suffix, '\0');
    auto* at = reinterpret_cast<uint8_t*>(frame.data());
    write_data_prefix(at, message.stream_id, message.payload.size(), suffix);
    write_data_suffix(at + prefix + message.payload.size(), message.service_id, message.connection_id);
    EXPECT_EQ(frame, with_length(unhex(vector.text("bytes")))) << vector.name;
  }
  EXPECT_GT(seen, 30);
}

TEST_F(VectorsTest, OfDataAreDecodedInPlace) {
  for (const Vector& vector : vectors(true)) {
    const Message message = expected_message(vector);
    const std::string bytes = unhex(vector.text("bytes"));
    DataView view;
    const bool data = decode_data(as_bytes(bytes), view);
    EXPECT_EQ(data, message.type == MessageType::kData) << vector.name;
    if (!data) continue;
    EXPECT_EQ(view.stream_id, message.stream_id) << vector.name;
    EXPECT_EQ(view.service_id, message.service_id) << vector.name;
    EXPECT_EQ(view.connection_id, message.connection_id) << vector.name;
    EXPECT_EQ(as_text(view.payload), message.payload) << vector.name;
  }
}

TEST_F(VectorsTest, OfInvalidMessagesAreRejected) {
  for (const Vector& vector : vectors(false)) {
    const std::string bytes = unhex(vector.text("bytes"));
    std::string why = vector.text("error");
    std::replace(why.begin(), why.end(), '_', ' ');
    const Result<Message> message = decode_message(as_bytes(bytes));
    ASSERT_FALSE(message.ok()) << vector.name;
    EXPECT_NE(message.error().text().find(why), std::string::npos)
        << vector.name << ": " << message.error().text();
    DataView view;
    EXPECT_FALSE(decode_data(as_bytes(bytes), view)) << vector.name;
  }
}

}  // namespace
}  // namespace localproxy::wire
