// What reading the configuration has to tell the user: collected while there is no log yet, written to it
// later.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/log.h"

namespace localproxy::config {

struct Note {
  LogLevel level;
  std::string text;  // without a secret
};

class Notes {
 public:
  // Something that the user may want to change.
  void warning(std::string text) { notes_.push_back({LogLevel::kWarning, std::move(text)}); }
  // Something that needs no answer.
  void debug(std::string text) { notes_.push_back({LogLevel::kDebug, std::move(text)}); }
  // Takes over notes about the file, with its name in front.
  void add_about(const std::string& file, Notes&& notes) {
    for (Note& note : notes.notes_)
      notes_.push_back({note.level, file + ": " + note.text});
  }
  const std::vector<Note>& all() const { return notes_; }

 private:
  std::vector<Note> notes_;
};

}  // namespace localproxy::config
