#include "config/assemble.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "base/path.h"
#include "base/text.h"
#include "build_config.h"
#include "config/certificates.h"
#include "config/client_certificate.h"
#include "config/client_token.h"
#include "config/endpoint.h"
#include "config/file.h"
#include "config/names.h"
#include "config/service_directory.h"
#include "config/tokens.h"

namespace localproxy::config {
namespace {

// "ORIGIN 'TEXT': REASON".
Error wrong(const Value& value, std::string_view reason) {
  return Error(value.origin + " " + shown(value.texts.front()) + ": " + std::string(reason));
}

constexpr unsigned kMaxTimeout = 7 * 86'400;  // seconds; no tunnel lives that long

class Assembler {
 public:
  Assembler(OptionSet given, const FineSettings& fine, Diagnostics& diagnostics, std::string state_directory)
      : given_(std::move(given)),
        fine_(fine),
        diagnostics_(diagnostics),
        state_directory_(std::move(state_directory)) {
    config_.settings = fine.settings;
  }

  Result<Config> run() {
    // Errors that scripts wait for keep their order. Steps that read files come last.
    constexpr Step kSteps[] = {
        &Assembler::require_token, &Assembler::endpoint,     &Assembler::mode,
        &Assembler::services,      &Assembler::bind_address, &Assembler::verbosity,
        &Assembler::process,       &Assembler::certificates, &Assembler::tls,
        &Assembler::access_token,  &Assembler::client_token, &Assembler::connections,
    };
    return run(kSteps);
  }
  // Only what a sandbox needs to know.
  Result<Config> run_sandbox() {
    constexpr Step kSteps[] = {&Assembler::verbosity, &Assembler::process};
    return run(kSteps);
  }
  Result<Config> run_policy() {
    constexpr Step kSteps[] = {&Assembler::verbosity, &Assembler::process, &Assembler::reach,
                               &Assembler::certificates};
    return run(kSteps);
  }

 private:
  using Step = Result<> (Assembler::*)();

  Result<Config> run(std::span<const Step> steps) {
    for (const Step step : steps)
      if (auto done = (this->*step)(); !done) return done.error();
    return std::move(config_);
  }

  bool source() const { return config_.mode == Mode::kSource; }
  bool has(OptionId id) const { return given_.has(id); }
  const std::string& text(OptionId id) const { return given_.text(id); }

  Result<> require_token() {
    if (has(OptionId::kAccessToken) || has(OptionId::kAccessTokenFile)) return {};
    return Error("the option '--access-token' is required but missing");
  }

  Result<> endpoint() {
    if (has(OptionId::kRegion) == has(OptionId::kProxyEndpoint))
      return Error("Must specify one and only one of --region/-r or --proxy-endpoint/-e options");
    if (has(OptionId::kRegion)) {
      const std::string& region = text(OptionId::kRegion);
      if (auto good = check_region(region); !good)
        return good.error().about(given_[OptionId::kRegion].origin);
      auto endpoint = region_endpoint(fine_, region);
      if (!endpoint) return wrong(given_[OptionId::kRegion], endpoint.error().text());
      config_.endpoint = std::move(*endpoint);
      return {};
    }
    auto parsed = parse_endpoint(text(OptionId::kProxyEndpoint));
    if (!parsed) return wrong(given_[OptionId::kProxyEndpoint], parsed.error().text());
    config_.endpoint = std::move(*parsed);
    return {};
  }

  // What a run reaches, as far as it is given.
  Result<> reach() {
    if (has(OptionId::kRegion) || has(OptionId::kProxyEndpoint)) {
      if (auto done = endpoint(); !done) return done;
    }
    if (has(OptionId::kSourceListenPort) || has(OptionId::kDestinationApp) || has(OptionId::kMode)) {
      if (auto done = mode(); !done) return done;
      if (auto done = services(); !done) return done;
    }
    if (has(OptionId::kAccessTokenFile) && text(OptionId::kAccessTokenFile) != "-")
      config_.access_token_file = absolute_path(text(OptionId::kAccessTokenFile));
    return {};
  }

  Result<> mode() {
    const bool source = has(OptionId::kSourceListenPort);
    const bool destination = has(OptionId::kDestinationApp);
    std::optional<Mode> named;
    if (has(OptionId::kMode)) {
      const auto found = std::ranges::find(kModeNames, text(OptionId::kMode), &ModeName::text);
      if (found == std::end(kModeNames))
        return Error("Mode value is wrong! Allowed values are: src, dst, source, destination");
      named = found->mode;
    }
    if (source && destination)
      return Error("Must specify one and only one of --source-listen-port/-s or --destination-app/-d");
    if (!source && !destination && !named)
      return Error("Must specify one of --source-listen-port/-s or --destination-app/-d or --mode");
    if (source && named == Mode::kDestination)
      return Error("-s and --mode have mismatched mode. Mode is set to destination!");
    if (destination && named == Mode::kSource)
      return Error("-d and --mode have mismatched mode. Mode is set to source!");
    config_.mode = named.value_or(source ? Mode::kSource : Mode::kDestination);
    return {};
  }

  Result<> services() {
    const OptionId id = source() ? OptionId::kSourceListenPort : OptionId::kDestinationApp;
    if (!has(id)) return services_of_directory();
    auto map = parse_map(text(id), config_.mode);
    if (!map) return wrong(given_[id], map.error().text());
    config_.services = std::move(*map);
    if (has(OptionId::kConfigDir))
      diagnostics_.warning(given_[OptionId::kConfigDir].origin + " is ignored because of " +
                           given_[id].origin);
    return absolute_paths(config_.services);
  }

  Result<> services_of_directory() {
    if (has(OptionId::kConfigDir)) {
      auto map = read_service_directory(text(OptionId::kConfigDir), config_.mode, diagnostics_);
      if (!map) return map.error().about(given_[OptionId::kConfigDir].origin);
      config_.known_services = std::move(*map);
    } else {
      config_.known_services = read_default_service_directory(config_.mode, diagnostics_);
    }
    if (!source() && config_.known_services.empty())
      return Error("destination mode needs --destination-app/-d or --config-dir to say what to connect to");
    return absolute_paths(config_.known_services);
  }

  static Result<> absolute_paths(std::vector<ServiceMapping>& map) {
    for (auto& [service, address] : map) {
      if (address.kind != LocalAddress::Kind::kUnix) continue;
      // Checked again, because the absolute path may be too long.
      auto checked = parse_local_address(absolute_path(address.path), Mode::kDestination);
      if (!checked) return checked.error();
      address = std::move(*checked);
    }
    return {};
  }

  Result<> bind_address() {
    // An empty address counts as none, as in the reference: scripts pass "$BIND" whether it is set or not.
    if (!has(OptionId::kLocalBindAddress) || text(OptionId::kLocalBindAddress).empty()) {
      // This default is only for listening; a destination connects from any address unless -b names one.
      if (source() && fine_.default_bind_address != FineSettings().default_bind_address)
        config_.bind_address = fine_.default_bind_address;
      return {};
    }
    const Value& value = given_[OptionId::kLocalBindAddress];
    auto host = parse_host(value.texts.front());
    if (!host) return wrong(value, host.error().text());
    config_.bind_address = std::move(*host);
    return {};
  }

  Result<> verbosity() {
    if (!has(OptionId::kVerbose)) {
      // The log is on the terminal of the user of ssh(1), which shows nothing else of its ProxyCommand.
      const auto is_stdio = [](const ServiceMapping& mapping) {
        return mapping.address.kind == LocalAddress::Kind::kStdio;
      };
      if (std::ranges::any_of(config_.services, is_stdio)) config_.verbosity = LogLevel::kWarning;
      return {};
    }
    const Value& value = given_[OptionId::kVerbose];
    const auto level = number(value.texts.front(), 255);
    if (!level) return wrong(value, "a level is a number from 0 to 255; from 6 up they mean the same");
    config_.verbosity = static_cast<LogLevel>(std::min(*level, unsigned{6}));
    return {};
  }

  Result<> connections() {
    if (has(OptionId::kDestinationClientType)) {
      const Value& value = given_[OptionId::kDestinationClientType];
      const auto found = std::ranges::find(kVersionNames, value.texts.front(), &VersionName::text);
      if (found == std::end(kVersionNames)) {
        // The reference ignores it silently.
        diagnostics_.warning(value.origin + " " + shown(value.texts.front()) +
                             " is ignored: the older versions are V1 and V2");
      } else if (source()) {
        config_.destination_version = found->version;
      } else {
        diagnostics_.warning(value.origin +
                             " is ignored: a destination sees from its first message what a source speaks");
      }
    }
    if (auto taken = seconds(OptionId::kIdleTimeout, config_.idle_timeout); !taken) return taken;
    return seconds(OptionId::kHalfCloseLinger, config_.half_close_linger);
  }

  // Leaves `to` unchanged when the option is absent.
  Result<> seconds(OptionId option, std::chrono::seconds& to) {
    if (!has(option)) return {};
    const Value& value = given_[option];
    const auto seconds = number(value.texts.front(), kMaxTimeout);
    if (!seconds)
      return wrong(value, "this is not a number of seconds from 0 to " + std::to_string(kMaxTimeout));
    to = std::chrono::seconds(*seconds);
    return {};
  }

  // Decimal digits with a value of at most `most`, and nothing else.
  static std::optional<unsigned> number(const std::string& text, unsigned most) {
    const auto value = parse_number<unsigned>(text);
    return value && *value <= most ? value : std::nullopt;
  }

  Result<> process() {
    config_.user = LOCALPROXY_USER;
    if (has(OptionId::kUser)) {
      const std::string& user = text(OptionId::kUser);
      const bool numbers = consists_of(user, "0123456789:");
      if (user.empty() || user.find_first_of(numbers ? "/ \n" : ":/ \n") != std::string::npos)
        return wrong(given_[OptionId::kUser], "this is not the name of a user, nor UID or UID:GID");
      config_.user = user;
    }
    if (has(OptionId::kSandbox)) {
      if (text(OptionId::kSandbox) != "no-landlock")
        return wrong(given_[OptionId::kSandbox], "the only part that can be done without is 'no-landlock'");
      config_.landlock = false;
    }
    return {};
  }

  Result<> certificates() {
    const Value& directories = given_[OptionId::kCapath];
    for (const std::string& path : directories.texts) {
      if (path.empty()) continue;  // as for an empty address
      auto directory = certificate_directory(path);
      if (!directory) return directory.error().reworded(directories.origin + " " + directory.error().text());
      config_.ca_paths.push_back(std::move(*directory));
    }
    if (config_.ca_paths.size() > limits::kMaxCaPaths)
      return Error(directories.origin + ": more than " + std::to_string(limits::kMaxCaPaths) +
                   " directories");
    if (has(OptionId::kCafile)) {
      auto file = certificate_file(text(OptionId::kCafile));
      if (!file) return file.error().reworded(given_[OptionId::kCafile].origin + " " + file.error().text());
      config_.ca_file = std::move(*file);
    }
#if LOCALPROXY_ALLOW_NO_VERIFY
    if (has(OptionId::kNoSslHostVerify)) {
      config_.verify_host = false;
      diagnostics_.warning(
          "THE SERVICE IS NOT VERIFIED (--no-ssl-host-verify): whoever is on the way to it can take the "
          "tokens, and read and change everything in the tunnel. Never use this outside of tests");
    }
#endif
    return {};
  }

  Result<> tls() {
    if (has(OptionId::kTlsMin)) {
      const Value& value = given_[OptionId::kTlsMin];
      if (value.texts.front() != "1.2" && value.texts.front() != "1.3")
        return wrong(value, "the versions of TLS are 1.2 and 1.3");
      config_.only_tls13 = value.texts.front() == "1.3";
    }
    if (has(OptionId::kCrlfile)) {
      auto file = certificate_file(text(OptionId::kCrlfile));
      if (!file) return file.error().reworded(given_[OptionId::kCrlfile].origin + " " + file.error().text());
      config_.crl_file = std::move(*file);
    }
    const Value& keys = given_[OptionId::kPinSha256];
    for (const std::string& text : keys.texts) {
      auto pins = parse_pins(text);
      if (!pins) return pins.error().about(keys.origin);
      config_.pins.insert(config_.pins.end(), pins->begin(), pins->end());
    }
    if (config_.pins.size() > limits::kMaxPins)
      return Error(keys.origin + ": more than " + std::to_string(limits::kMaxPins) + " public keys");
    return client_certificate();
  }

  Result<> client_certificate() {
    const Value& key = given_[OptionId::kProxyKey];
    if (!has(OptionId::kProxyCert))
      return key.given ? Error(key.origin + " is of no use without --proxy-cert") : Result<>();
    const Value& certificate = given_[OptionId::kProxyCert];
    const Value& with_key = key.given ? key : certificate;
    auto own = read_client_certificate(certificate, with_key);
    if (!own) return own.error();
    config_.proxy_certificate = std::move(*own);
    if (const std::string& file = config_.proxy_certificate.key_file; readable_by_all(file))
      diagnostics_.warning(with_key.origin + " " + shown(file) +
                           " holds a private key and can be read by every user of this machine");
    return {};
  }

  Result<> access_token() {
    if (has(OptionId::kAccessToken)) {
      Value& value = given_[OptionId::kAccessToken];
      if (auto good = check_access_token(value.secret.reveal()); !good)
        return good.error().about(value.origin);
      config_.access_token = std::move(value.secret);
      config_.access_token_origin = value.origin;
      if (value.origin == option_name(OptionId::kAccessToken))
        diagnostics_.warning(
            "the access token was given by --access-token, where other users of this machine can see it; "
            "use the environment variable AWSIOT_TUNNEL_ACCESS_TOKEN or --access-token-file");
      if (has(OptionId::kAccessTokenFile))
        diagnostics_.warning(given_[OptionId::kAccessTokenFile].origin + " is ignored because of " +
                             value.origin);
      return {};
    }
    const Value& value = given_[OptionId::kAccessTokenFile];
    const auto uses_stdio = [](const ServiceMapping& mapping) {
      return mapping.address.kind == LocalAddress::Kind::kStdio;
    };
    if (value.texts.front() == "-" && std::ranges::any_of(config_.services, uses_stdio))
      return wrong(value, "standard input is the local client's, as --source-listen-port has it");
    auto token = read_token_file(value.texts.front());
    if (!token) return token.error().about(value.origin);
    config_.access_token = std::move(*token);
    config_.access_token_origin = value.origin + " " + shown(value.texts.front());
    if (value.texts.front() == "-") return {};
    // A pipe is empty by now: there is nothing to read again.
    if (!is_regular_file(value.texts.front())) return {};
    config_.access_token_file = absolute_path(value.texts.front());
    if (readable_by_all(config_.access_token_file))
      diagnostics_.warning(value.origin + " " + shown(value.texts.front()) +
                           " can be read by every user of this machine");
    return {};
  }

  Result<> client_token() {
    const bool none = has(OptionId::kNoClientToken);
    if (!has(OptionId::kClientToken)) return none ? Result<>() : made_client_token(state_directory_);
    Value& value = given_[OptionId::kClientToken];
    if (none)
      return Error(value.origin + " and " + given_[OptionId::kNoClientToken].origin + " exclude each other");
    if (value.secret.reveal() == "random") return made_client_token({});
    if (auto good = check_client_token(value.secret.reveal()); !good) return good.error().about(value.origin);
    if (value.secret.reveal() == config_.access_token.reveal())
      return Error(value.origin + ": the client token is the access token; it is one of your own choice");
    config_.client_token = std::move(value.secret);
    config_.client_token_origin = value.origin;
    return {};
  }

  Result<> made_client_token(const std::string& state_directory) {
    auto made = make_client_token(state_directory, config_.access_token, !has(OptionId::kCheck));
    if (!made) return made.error();
    config_.client_token = std::move(made->token);
    config_.client_key = std::move(made->key);
    config_.client_token_origin = made->origin;
    if (!made->why_random.empty() && !has(OptionId::kClientToken))
      diagnostics_.debug("Client token: random, so a restart will need a new access token (" +
                         made->why_random + ")");
    return {};
  }

  OptionSet given_;
  const FineSettings& fine_;
  Diagnostics& diagnostics_;
  std::string state_directory_;
  Config config_;
};

}  // namespace

Result<Config> assemble(OptionSet given, const FineSettings& fine, Diagnostics& diagnostics,
                        const std::string& state_directory) {
  return Assembler(std::move(given), fine, diagnostics, state_directory).run();
}

Result<Config> assemble_sandbox(OptionSet given, Diagnostics& diagnostics) {
  const FineSettings defaults;
  return Assembler(std::move(given), defaults, diagnostics, {}).run_sandbox();
}

Result<Config> assemble_policy(OptionSet given, const FineSettings& fine, Diagnostics& diagnostics) {
  return Assembler(std::move(given), fine, diagnostics, {}).run_policy();
}

}  // namespace localproxy::config
