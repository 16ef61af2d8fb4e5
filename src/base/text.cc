#include "base/text.h"

#include <algorithm>
#include <array>

#include "base/limits.h"

namespace localproxy {
namespace {

constexpr std::array<bool, 256> service_id_bytes() {
  std::array<bool, 256> allowed{};
  for (const std::string_view bytes : {kAsciiAlphanumeric, std::string_view(":_-")})
    for (const char byte : bytes)
      allowed[static_cast<uint8_t>(byte)] = true;
  return allowed;
}

// A table, because every DATA message has a service id to be checked.
constexpr std::array<bool, 256> kServiceIdBytes = service_id_bytes();

}  // namespace

std::string_view trim(std::string_view text, std::string_view blanks) {
  const size_t start = text.find_first_not_of(blanks);
  if (start == std::string_view::npos) return {};
  return text.substr(start, text.find_last_not_of(blanks) - start + 1);
}

bool consists_of(std::string_view text, std::string_view bytes) {
  return text.find_first_not_of(bytes) == std::string_view::npos;
}

char to_lower(char byte) {
  return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
}

bool equal_ignoring_case(std::string_view one, std::string_view other) {
  return std::ranges::equal(one, other, {}, to_lower, to_lower);
}

bool is_service_id(std::string_view text) {
  return !text.empty() && text.size() <= limits::kMaxServiceId &&
         std::ranges::all_of(text, [](char byte) { return kServiceIdBytes[static_cast<uint8_t>(byte)]; });
}

std::string grouped(uint64_t number) {
  std::string text = std::to_string(number);
  for (size_t at = text.size(); at > 3; at -= 3)
    text.insert(at - 3, ",");
  return text;
}

std::optional<Utf8Character> first_utf8_character(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return Utf8Character{lead, 1};
  const size_t size = lead >= 0xc2 && lead <= 0xdf ? 2 : (lead & 0xf0) == 0xe0 ? 3 : 4;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return std::nullopt;
  // The second byte rules out overlong forms, surrogates, and what is above U+10FFFF.
  const uint8_t least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const uint8_t most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (byte(1) < least || byte(1) > most) return std::nullopt;
  uint32_t code = lead & (0x7fU >> size);
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return std::nullopt;
    code = code << 6 | (byte(i) & 0x3fU);
  }
  return Utf8Character{code, size};
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const auto character = first_utf8_character(text);
    if (!character) return false;
    text.remove_prefix(character->size);
  }
  return true;
}

}  // namespace localproxy
