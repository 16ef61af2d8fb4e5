#include "arguments.h"

namespace localproxy::service {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

const nlohmann::json* Arguments::take(const std::string& name) {
  taken_.insert(name);
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

bool Arguments::has(const std::string& name) {
  return take(name) != nullptr;
}

std::string Arguments::text(const std::string& name) {
  const nlohmann::json* value = take(name);
  if (value != nullptr && value->is_string()) return value->get<std::string>();
  fail("'" + name + "' must be a text");
  return {};
}

std::string Arguments::text(const std::string& name, const std::string& otherwise) {
  return has(name) ? text(name) : otherwise;
}

uint64_t Arguments::number(const std::string& name, uint64_t most) {
  const nlohmann::json* value = take(name);
  if (value != nullptr && value->is_number_unsigned() && value->get<uint64_t>() <= most) {
    return value->get<uint64_t>();
  }
  fail("'" + name + "' must be a number from 0 to " + std::to_string(most));
  return 0;
}

uint64_t Arguments::number(const std::string& name, uint64_t most, uint64_t otherwise) {
  return has(name) ? number(name, most) : otherwise;
}

bool Arguments::truth(const std::string& name, bool otherwise) {
  const nlohmann::json* value = take(name);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean()) fail("'" + name + "' must be true or false");
  return value->is_boolean() && value->get<bool>();
}

std::vector<std::string> Arguments::texts(const std::string& name) {
  std::vector<std::string> texts;
  const nlohmann::json* value = take(name);
  if (value == nullptr) return texts;
  if (!value->is_array()) fail("'" + name + "' must be a list of texts");
  for (const nlohmann::json& item : *value) {
    if (item.is_string()) {
      texts.push_back(item.get<std::string>());
    } else {
      fail("'" + name + "' must be a list of texts");
    }
  }
  return texts;
}

Side Arguments::side() {
  const std::string name = text("side");
  if (name != "source" && name != "destination") fail("'side' must be source or destination");
  return name == "source" ? Side::kSource : Side::kDestination;
}

std::optional<Side> Arguments::side_if_given() {
  if (!has("side")) return std::nullopt;
  return side();
}

std::vector<uint8_t> Arguments::hex(const std::string& name) {
  const std::string digits = text(name);
  std::vector<uint8_t> bytes;
  if (digits.size() % 2 != 0) fail("'" + name + "' must be pairs of hexadecimal digits");
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    const int high = hex_digit(digits[i]);
    const int low = hex_digit(digits[i + 1]);
    if (high < 0 || low < 0) fail("'" + name + "' must be pairs of hexadecimal digits");
    bytes.push_back(static_cast<uint8_t>(high << 4 | low));
  }
  return bytes;
}

std::string Arguments::finish() {
  for (const auto& [name, value] : object_.items()) {
    if (name != "command" && !taken_.contains(name)) fail("unknown argument '" + name + "'");
  }
  return error_;
}

}  // namespace localproxy::service
