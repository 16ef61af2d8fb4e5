// For targets that would fill the terminal with protobuf's warnings about strings that are not UTF-8.
#pragma once

#if __has_include(<google/protobuf/stubs/logging.h>)
#include <google/protobuf/stubs/logging.h>

namespace localproxy::fuzz {
inline const google::protobuf::LogSilencer kQuietProtobuf;
}  // namespace localproxy::fuzz
#endif
