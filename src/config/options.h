// The options: one table that the parser, --help, the configuration file and the tests all use; and --help
// itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "build_config.h"

namespace localproxy::config {

enum class OptionId : uint8_t {
  kHelp,
  kVersion,
  kAccessToken,
  kAccessTokenFile,
  kClientToken,
  kNoClientToken,
  kProxyEndpoint,
  kRegion,
  kSourceListenPort,
  kDestinationApp,
  kLocalBindAddress,
  kCapath,
  kCafile,
  kCrlfile,
  kPinSha256,
  kTlsMin,
  kProxyCert,
  kProxyKey,
  kNoSslHostVerify,
  kMode,
  kDestinationClientType,
  kVerbose,
  kConfig,
  kConfigDir,
  kSettingsJson,
  kExportDefaultSettings,
  kIdleTimeout,
  kHalfCloseLinger,
  kCheck,
  kUser,
  kSandbox,
  kSandboxReport,
  kSandboxPolicy,
};
inline constexpr size_t kOptionCount = static_cast<size_t>(OptionId::kSandboxPolicy) + 1;

// How often an option may be given and what follows it.
enum class Shape : uint8_t {
  kFlag,    // nothing follows
  kValue,   // one value, given once
  kList,    // one value each time, given any number of times
  kSecret,  // one value that is kept apart from ordinary strings
};

// Who had the option first. An abbreviation that meant one option in any version of the reference client
// means it here as well, even if options have been added since.
enum class Origin : uint8_t {
  kReference,       // in the reference since its first versions with services
  kReferenceLater,  // came into the reference by version 3.3.1
  kHere,            // only this program has it
};

struct Option {
  OptionId id;
  char letter;  // 0: has none
  Shape shape;
  Origin origin;
  bool in_file;          // may stand in the file of --config
  const char* name;      // without the dashes; also the key in that file
  const char* argument;  // what --help calls the value; empty for a flag
  const char* variable;  // of the environment, or empty
  const char* help;
};

// In the order of --help.
std::span<const Option> options();

// Null: there is no such option.
const Option* find_option(std::string_view name);
const Option* find_option(char letter);

// The option whose name is start or, failing that, begins with it, as the reference resolves abbreviations.
// Null: there is none. An option of an older origin wins over a newer one; several of the same origin are an
// error that names them.
Result<const Option*> guess_option(std::string_view start);

// "--name", as error texts name it.
std::string option_name(OptionId id);

// The text of --help.
std::string help_text();

}  // namespace localproxy::config
