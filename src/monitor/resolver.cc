#include "monitor/resolver.h"

#include <utility>

#include "base/limits.h"
#include "base/path.h"

namespace localproxy::monitor {
namespace {

constexpr auto kLookupSeconds = std::chrono::duration_cast<std::chrono::seconds>(limits::kLookupTimeout);

// Why a process ended without an answer.
std::string why_no_answer(const Exit& exit) {
  if (exit.how == Exit::How::kTimeout)
    return "no answer from the name servers within " + std::to_string(kLookupSeconds.count()) + " seconds";
  return "the lookup process " + exit.describe();
}

Result<Addresses> addresses_of(const Result<std::vector<std::string>>& answer, uint16_t port) {
  if (!answer) return answer.error();
  Addresses addresses;
  for (const std::string& bytes : *answer) {
    if (auto address = address_from_bytes(bytes, port)) addresses.push_back(*address);
  }
  if (addresses.empty()) return Error("it has no address");
  return addresses;
}

}  // namespace

Addresses known_addresses(const std::string& host, uint16_t port) {
  if (auto literal = parse_address(host, port)) return {*literal};
  if (host == "localhost") return {*parse_address("127.0.0.1", port), *parse_address("::1", port)};
  return {};
}

Error cannot_resolve(const std::string& host, const Error& why) {
  return Error("cannot resolve " + host + ": " + why.text());
}

Resolver::Resolver(event::Loop& loop, Launcher& launcher, ipc::Setup setup)
    : launcher_(launcher), setup_(std::move(setup)), finish_ended_(loop, [this] { finish_ended(); }) {
  using ipc::NameFile;
  for (const NameFile file : {NameFile::kResolvConf, NameFile::kHosts, NameFile::kNsswitch}) {
    const auto chain = link_chain(path_of(file));
    if (chain.size() > 1) links_[static_cast<size_t>(file)] = chain.back();
  }
}

std::string Resolver::why(const ipc::LookupFailed& failed) const {
  std::string text = failed.reason.value;
  if (failed.file == ipc::NameFile::kNone) return text;
  text += std::string("; cannot read ") + path_of(failed.file);
  const std::string& link = links_[static_cast<size_t>(failed.file)];
  if (!link.empty()) text += " (a link to " + link + ")";
  switch (failed.unread) {
    case ipc::Unread::kMissing:
      return text + ": it is not there; when it comes from a network manager, start localproxy after that";
    case ipc::Unread::kPermissions:
      return text + ": the user that localproxy runs as has to be allowed to";
    case ipc::Unread::kSandbox:
      return text + ": it is elsewhere since localproxy was started; start it again";
  }
  return text;
}

Resolver::Question Resolver::look_up(const std::string& host, uint16_t port, Callback callback) {
  auto question = std::make_shared<const Callback>(std::move(callback));
  PendingLookup& lookup = lookups_[host];
  lookup.waiting.push_back({port, question});
  if (!lookup.child) start(host);
  return question;
}

void Resolver::start(const std::string& host) {
  auto child =
      launcher_.start({.role = ipc::Role::kResolve, .setup = setup_},
                      {.on_ready =
                           [this, host] {
                             Child& asked = *lookups_.at(host).child;
                             asked.port().send(ipc::Lookup{{host}});
                             asked.end_within(limits::kLookupTimeout);
                           },
                       .on_exit = [this, host](const Exit& exit) { end(host, why_no_answer(exit)); }});
  if (!child) return end(host, child.error().text());
  ipc::Port& port = (*child)->port();
  port.on<ipc::Addresses>(
      [this, host](const ipc::Addresses& message) { answer(host, message.addresses.value); });
  port.on<ipc::LookupFailed>(
      [this, host](const ipc::LookupFailed& message) { answer(host, Error(why(message))); });
  lookups_.at(host).child = std::move(*child);
}

// The caller may be its child, which must not be destroyed in its own callback.
void Resolver::end(const std::string& host, const std::string& why) {
  ended_.push_back({host, why});
  finish_ended_.start();
}

void Resolver::finish_ended() {
  for (const Ended& ended : std::exchange(ended_, {}))
    finish(ended);
}

void Resolver::finish(const Ended& ended) {
  const auto found = lookups_.find(ended.host);
  // Of two that ended for the same host in one turn of the loop, the first has answered everybody.
  if (found == lookups_.end()) return;
  PendingLookup& lookup = found->second;
  if (lookup.answered && !lookup.waiting.empty()) {
    // Somebody asked after the answer, but before the process that gave it had ended.
    lookup.answered = false;
    return start(ended.host);
  }
  const std::vector<Waiting> waiting = std::move(lookup.waiting);
  lookups_.erase(found);
  tell(waiting, Error(ended.why));
}

void Resolver::answer(const std::string& host, const Answer& answer) {
  PendingLookup& lookup = lookups_.at(host);
  lookup.answered = true;
  tell(std::exchange(lookup.waiting, {}), answer);
}

void Resolver::tell(const std::vector<Waiting>& waiting, const Answer& answer) {
  for (const Waiting& each : waiting) {
    if (const Question question = each.callback.lock()) (*question)(addresses_of(answer, each.port));
  }
}

}  // namespace localproxy::monitor
