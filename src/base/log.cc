#include "base/log.h"

#include <unistd.h>

#include <cstddef>

#include "base/exit_status.h"
#include "base/limits.h"
#include "base/text.h"

namespace localproxy {
namespace {

// Bytes of the character at the front of text if it may be shown as it is, or 0.
size_t printable_length(std::string_view text) {
  const auto character = first_utf8_character(text);
  if (!character) return 0;
  const uint32_t code = character->code;
  const bool control = code < 0x20 || (code >= 0x7f && code < 0xa0);
  // Line and paragraph separators, and the marks that change the direction of the text.
  const bool layout = (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
  return control || layout ? 0 : character->size;
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
