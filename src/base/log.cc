#include "base/log.h"

#include <unistd.h>

#include <cstddef>

#include "base/exit_status.h"
#include "base/limits.h"

namespace localproxy {
namespace {

// Bytes of the well-formed UTF-8 character at the front of text that may be shown as it is, or 0.
size_t printable_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead >= 0x20 && lead < 0x7f) return 1;
  size_t length = 0;
  uint32_t code = 0;
  uint32_t least = 0;
  if ((lead & 0xe0) == 0xc0) {
    length = 2, code = lead & 0x1f, least = 0xa0;  // below U+00A0 are the C1 controls
  } else if ((lead & 0xf0) == 0xe0) {
    length = 3, code = lead & 0x0f, least = 0x800;
  } else if ((lead & 0xf8) == 0xf0) {
    length = 4, code = lead & 0x07, least = 0x10000;
  }
  if (length == 0 || text.size() < length) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3fU);
  }
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  // Line and paragraph separators, and the marks that turn the direction of writing around.
  const bool layout = (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
  return code < least || code > 0x10ffff || surrogate || layout ? 0 : length;
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
  // Nothing is left to do about a failing write: the process ends in the next line.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
  ::_exit(static_cast<int>(ExitStatus::kSystem));
}

}  // namespace localproxy
