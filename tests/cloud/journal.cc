#include "journal.h"

#include "bounds.h"

namespace localproxy::service {
namespace {

void keep(std::deque<std::string>& list, std::string text) {
  if (list.size() == bounds::kJournal) list.pop_front();
  list.push_back(std::move(text));
}

}  // namespace

void Journal::breach(std::string_view who, std::string_view reason) {
  ++breach_count_;
  std::string text = std::string(who) + ": " + std::string(reason);
  log_.warning("breach: " + text);
  keep(breaches_, escape_for_log(text));
}

void Journal::refused(int status, std::string_view reason) {
  ++refused_count_;
  std::string text = std::to_string(status) + " " + std::string(reason);
  log_.info("refused: " + text);
  keep(refusals_, escape_for_log(text));
}

}  // namespace localproxy::service
