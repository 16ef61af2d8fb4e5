#include "base/log.h"

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "base/exit_status.h"
#include "base/limits.h"
#include "base/text.h"

namespace localproxy {
namespace {

struct CodeRange {
  uint32_t first, last;
};

// What a terminal or a reader may not see as it is: Unicode 15.1, general categories Cc, Cf, Zl and Zp, with
// what stands between them and is reserved for more of the kind.
constexpr CodeRange kHidden[] = {
    {0x0, 0x1f},        {0x7f, 0x9f},       {0xad, 0xad},       {0x600, 0x605},     {0x61c, 0x61c},
    {0x6dd, 0x6dd},     {0x70f, 0x70f},     {0x890, 0x891},     {0x8e2, 0x8e2},     {0x180e, 0x180e},
    {0x200b, 0x200f},   {0x2028, 0x202e},   {0x2060, 0x206f},   {0xfeff, 0xfeff},   {0xfff0, 0xfffb},
    {0x110bd, 0x110bd}, {0x110cd, 0x110cd}, {0x13430, 0x1343f}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
    {0xe0000, 0xe0fff},
};

// Bytes of the character at the front of text if it may be shown as it is, or 0.
size_t printable_length(std::string_view text) {
  const auto character = first_utf8_character(text);
  if (!character) return 0;
  const auto range = std::ranges::lower_bound(kHidden, character->code, {}, &CodeRange::last);
  const bool hidden = range != std::end(kHidden) && character->code >= range->first;
  return hidden ? 0 : character->size;
}

}  // namespace

std::string_view to_string(LogLevel level) {
  switch (level) {
    case LogLevel::kOff:
      return "off";
    case LogLevel::kFatal:
      return "fatal";
    case LogLevel::kError:
      return "error";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kTrace:
      return "trace";
  }
  return "?";
}

std::string escape_for_log(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  while (!text.empty()) {
    const size_t length = printable_length(text);
    const size_t grows = length == 0 ? 4 : length;
    if (out.size() + grows > limits::kMaxLogLine) {
      out += "...";
      break;
    }
    if (length == 0) {
      const auto byte = static_cast<uint8_t>(text[0]);
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 0xf];
      text.remove_prefix(1);
    } else {
      out += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return out;
}

void fatal(std::string_view what) {
  std::string line = "fatal: " + escape_for_log(what) + "\n";
  // There is nothing left to do if the write fails: the process ends in the next line.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
  ::_exit(static_cast<int>(ExitStatus::kSystem));
}

}  // namespace localproxy
