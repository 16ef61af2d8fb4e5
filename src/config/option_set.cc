#include "config/option_set.h"

#include <algorithm>

namespace localproxy::config {
namespace {

// An option that answers the same question as another one. Given in a place of higher precedence, it settles
// the question, and the other option in a lower place does not count.
struct Answer {
  OptionId given;
  OptionId settled;
};

constexpr Answer kAnswers[] = {
    {OptionId::kRegion, OptionId::kProxyEndpoint},
    {OptionId::kProxyEndpoint, OptionId::kRegion},
    {OptionId::kSourceListenPort, OptionId::kDestinationApp},
    {OptionId::kSourceListenPort, OptionId::kMode},
    {OptionId::kDestinationApp, OptionId::kSourceListenPort},
    {OptionId::kDestinationApp, OptionId::kMode},
    {OptionId::kAccessToken, OptionId::kAccessTokenFile},
    {OptionId::kAccessTokenFile, OptionId::kAccessToken},
    {OptionId::kClientToken, OptionId::kNoClientToken},
    {OptionId::kNoClientToken, OptionId::kClientToken},
};

}  // namespace

void OptionSet::add(OptionId id, std::string origin, std::string text) {
  Value& value = (*this)[id];
  value.given = true;
  value.origin = std::move(origin);
  value.texts.push_back(std::move(text));
}

void OptionSet::set_flag(OptionId id, std::string origin) {
  Value& value = (*this)[id];
  value.given = true;
  value.origin = std::move(origin);
}

void OptionSet::set_secret(OptionId id, std::string origin, Secret secret) {
  set_flag(id, std::move(origin));
  (*this)[id].secret = std::move(secret);
}

void OptionSet::fill_from(OptionSet&& lower) {
  std::array<bool, kOptionCount> settled{};
  for (size_t i = 0; i < kOptionCount; ++i)
    settled[i] = values_[i].given;
  for (const Answer& answer : kAnswers)
    if (has(answer.given)) settled[static_cast<size_t>(answer.settled)] = true;
  for (size_t i = 0; i < kOptionCount; ++i)
    if (!settled[i]) values_[i] = std::move(lower.values_[i]);
}

}  // namespace localproxy::config
