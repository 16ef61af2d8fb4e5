#include "config/environment.h"

#include <unistd.h>

#include <utility>

namespace localproxy::config {
namespace {

constexpr const char* kCredentials = "CREDENTIALS_DIRECTORY";
constexpr const char* kCredential = "/access-token";

}  // namespace

OptionSet read_variables(Environment environment) {
  OptionSet variables;
  for (const Option& option : options()) {
    const char* text = *option.variable != '\0' ? look_up(environment, option.variable) : nullptr;
    if (text == nullptr) continue;
    if (option.shape == Shape::kSecret)
      variables.set_secret(option.id, option.variable, Secret(text));
    else
      variables.add(option.id, option.variable, text);
  }
  if (const char* directory = look_up(environment, kCredentials)) {
    const std::string path = std::string(directory) + kCredential;
    OptionSet credentials;
    if (::access(path.c_str(), F_OK) == 0)
      credentials.add(OptionId::kAccessTokenFile, std::string("$") + kCredentials + kCredential, path);
    variables.fill_from(std::move(credentials));
  }
  return variables;
}

}  // namespace localproxy::config
