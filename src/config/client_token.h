// The client token that is derived from the access token, and the key file that the derivation needs. The
// same user gets the same client token for an access token at every start, so that a restart can use the
// access token again; whoever has only the access token cannot compute it.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"
#include "config/environment.h"

namespace localproxy::config {

inline constexpr size_t kClientKeySize = 32;

// HMAC-SHA-256 (RFC 2104, FIPS 180-4) as 64 hexadecimal digits.
Secret hmac_sha256(std::string_view key, std::string_view text);

// The directory of the key: $STATE_DIRECTORY (the first, if systemd made several), and for others than root
// $XDG_STATE_HOME/localproxy or $HOME/.local/state/localproxy: with sudo, these may be another user's. Empty:
// there is none, or it is not an absolute path.
std::string state_directory(Environment environment);

// The key in directory. Processes that start at once get the same key. create: directory and key are made if
// they are missing; otherwise the key is one that nobody keeps. No value: nothing can be stored there, and
// why_not says why. An error: what is there is not safe to use.
Result<std::optional<Secret>> client_key(const std::string& directory, bool create, std::string& why_not);

struct ClientToken {
  Secret token;
  Secret key;              // empty: the token is random
  std::string origin;      // for people
  std::string why_random;  // empty: it is not
};

// The client token of a run without one of the user's. state_directory: empty: there is none.
Result<ClientToken> make_client_token(const std::string& state_directory, const Secret& access_token,
                                      bool create);

}  // namespace localproxy::config
