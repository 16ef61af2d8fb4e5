#include "config/options.h"

#include <algorithm>
#include <vector>

#include "base/text.h"

namespace localproxy::config {
namespace {

constexpr const char* kTitle = "localproxy: the local end of an AWS IoT secure tunnel";
// The column of the help in which descriptions begin.
constexpr size_t kHelpColumn = 30;

constexpr Option kOptions[] = {
    {OptionId::kHelp, 'h', Shape::kFlag, Origin::kReference, false, "help", "", "", "Show help message"},
    {OptionId::kVersion, 'V', Shape::kFlag, Origin::kReferenceLater, false, "version", "", "",
     "Print the version and exit"},
    {OptionId::kAccessToken, 't', Shape::kSecret, Origin::kReference, true, "access-token", "TOKEN",
     "AWSIOT_TUNNEL_ACCESS_TOKEN", "Client access token; other users can see it here"},
    {OptionId::kAccessTokenFile, 0, Shape::kValue, Origin::kHere, true, "access-token-file", "FILE", "",
     "Read the access token from FILE; - is standard input"},
    {OptionId::kClientToken, 'i', Shape::kSecret, Origin::kReference, true, "client-token", "TOKEN",
     "AWSIOT_TUNNEL_CLIENT_TOKEN", "Token that makes reconnecting possible; made from the access token"},
    {OptionId::kNoClientToken, 0, Shape::kFlag, Origin::kHere, true, "no-client-token", "", "",
     "Send no client token; the access token then works once"},
    {OptionId::kProxyEndpoint, 'e', Shape::kValue, Origin::kReference, true, "proxy-endpoint", "HOST[:PORT]",
     "AWSIOT_TUNNEL_ENDPOINT", "Endpoint of the tunneling service; excludes -r"},
    {OptionId::kRegion, 'r', Shape::kValue, Origin::kReference, true, "region", "REGION",
     "AWSIOT_TUNNEL_REGION", "Region of the tunnel; excludes -e"},
    {OptionId::kSourceListenPort, 's', Shape::kValue, Origin::kReference, true, "source-listen-port", "MAP",
     "", "Source mode: 5555, or SSH1=5555,HTTP1=8080"},
    {OptionId::kDestinationApp, 'd', Shape::kValue, Origin::kReference, true, "destination-app", "MAP", "",
     "Destination mode: 22, HOST:22, /run/app.sock, or SSH1=22,..."},
    {OptionId::kLocalBindAddress, 'b', Shape::kValue, Origin::kReference, true, "local-bind-address", "ADDR",
     "", "Local address to listen on, or to connect from"},
    {OptionId::kCapath, 'c', Shape::kList, Origin::kReference, true, "capath", "DIR", "",
     "Further directory of root certificates"},
    {OptionId::kCafile, 0, Shape::kValue, Origin::kHere, true, "cafile", "FILE", "",
     "Further file of root certificates"},
    {OptionId::kCrlfile, 0, Shape::kValue, Origin::kHere, true, "crlfile", "FILE", "",
     "File of revoked certificates (CRLs)"},
    {OptionId::kPinSha256, 0, Shape::kList, Origin::kHere, true, "pin-sha256", "KEYS", "",
     "Public keys that the service may have: sha256//BASE64;..."},
    {OptionId::kTlsMin, 0, Shape::kValue, Origin::kHere, true, "tls-min", "VERSION", "",
     "Lowest version of TLS: 1.2 (default) or 1.3"},
    {OptionId::kProxyCert, 0, Shape::kValue, Origin::kHere, true, "proxy-cert", "FILE", "",
     "Certificate to show to an https web proxy"},
    {OptionId::kProxyKey, 0, Shape::kValue, Origin::kHere, true, "proxy-key", "FILE", "",
     "The key of that certificate, if it is not in the same file"},
#if LOCALPROXY_ALLOW_NO_VERIFY
    {OptionId::kNoSslHostVerify, 'k', Shape::kFlag, Origin::kReference, true, "no-ssl-host-verify", "", "",
     "Do not verify the service: for tests only"},
#endif
    {OptionId::kMode, 'm', Shape::kValue, Origin::kReference, true, "mode", "MODE", "",
     "src, source, dst or destination"},
    {OptionId::kDestinationClientType, 'y', Shape::kValue, Origin::kReferenceLater, true,
     "destination-client-type", "V1|V2", "", "Source mode: the destination speaks this older version"},
    {OptionId::kVerbose, 'v', Shape::kValue, Origin::kReference, true, "verbose", "N", "",
     "0 off, 1 fatal, 2 error, 3 warning, 4 info (default), 5 debug, 6 trace"},
    {OptionId::kConfig, 0, Shape::kValue, Origin::kReference, false, "config", "FILE", "",
     "Read options from FILE: name = value"},
    {OptionId::kConfigDir, 0, Shape::kValue, Origin::kReference, true, "config-dir", "DIR", "",
     "Read service = address lines from the files in DIR"},
    {OptionId::kSettingsJson, 0, Shape::kValue, Origin::kReference, true, "settings-json", "FILE", "",
     "Read fine settings from FILE"},
    {OptionId::kExportDefaultSettings, 0, Shape::kValue, Origin::kReference, false, "export-default-settings",
     "FILE", "", "Write the default fine settings to FILE and exit"},
    {OptionId::kIdleTimeout, 0, Shape::kValue, Origin::kHere, true, "idle-timeout", "SECONDS", "",
     "Close connections on which nothing moves for so long; 0: never"},
    {OptionId::kHalfCloseLinger, 0, Shape::kValue, Origin::kHere, true, "half-close-linger", "SECONDS", "",
     "Wait so long for the answer to a half-closed client; 0: not at all"},
    {OptionId::kCheck, 0, Shape::kFlag, Origin::kHere, false, "check", "", "",
     "Check everything that needs no connection, and exit"},
    {OptionId::kUser, 0, Shape::kValue, Origin::kHere, true, "user", "USER", "",
     "User to become when started as root: name, UID or UID:GID"},
    {OptionId::kSandbox, 0, Shape::kValue, Origin::kHere, true, "sandbox", "no-landlock", "",
     "Do without Landlock, for kernels that lack it"},
    {OptionId::kSandboxReport, 0, Shape::kFlag, Origin::kHere, false, "sandbox-report", "", "",
     "Enter the sandbox of every process, say what was reached, and exit"},
    {OptionId::kSandboxPolicy, 0, Shape::kFlag, Origin::kHere, false, "sandbox-policy", "", "",
     "Print every rule of every sandbox with its reason, and exit"},
};

// REQUIRES: at least two matches.
Error ambiguous(std::string_view start, const std::vector<const Option*>& matches) {
  const auto quoted_name = [](const Option* option) { return "'" + option_name(option->id) + "'"; };
  const std::span all_but_last(matches.begin(), matches.end() - 1);
  return Error("option '--" + std::string(start) + "' is ambiguous and matches " +
               join(all_but_last, ", ", quoted_name) + " and " + quoted_name(matches.back()));
}

}  // namespace

std::span<const Option> options() {
  return kOptions;
}

const Option* find_option(std::string_view name) {
  const auto found = std::ranges::find(kOptions, name, &Option::name);
  return found == std::end(kOptions) ? nullptr : found;
}

const Option* find_option(char letter) {
  if (letter == 0) return nullptr;
  const auto found = std::ranges::find(kOptions, letter, &Option::letter);
  return found == std::end(kOptions) ? nullptr : found;
}

Result<const Option*> guess_option(std::string_view start) {
  if (const Option* exact = find_option(start); exact != nullptr || start.empty()) return exact;
  for (const Origin origin : {Origin::kReference, Origin::kReferenceLater, Origin::kHere}) {
    std::vector<const Option*> found;
    for (const Option& option : kOptions)
      if (option.origin == origin && std::string_view(option.name).starts_with(start))
        found.push_back(&option);
    if (found.size() == 1) return found.front();
    if (!found.empty()) return ambiguous(start, found);
  }
  return nullptr;
}

std::string option_name(OptionId id) {
  const auto found = std::ranges::find(kOptions, id, &Option::id);
  return found == std::end(kOptions) ? std::string() : std::string("--") + found->name;
}

std::string help_text() {
  std::string text = std::string(kTitle) + "\nUsage: localproxy [OPTIONS]\n\nOptions:\n";
  for (const Option& option : kOptions) {
    std::string line = "  ";
    if (option.letter != 0) line += std::string("-") + option.letter + ",";
    line += std::string("--") + option.name;
    if (option.shape != Shape::kFlag) line += std::string(" ") + option.argument;
    if (line.size() >= kHelpColumn) {
      text += line + "\n";
      line.clear();
    }
    line.resize(kHelpColumn, ' ');
    text += line + option.help + "\n";
  }
  return text;
}

}  // namespace localproxy::config
