#include "monitor/sandbox_report.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>

#include "base/fd.h"
#include "base/log.h"

namespace localproxy::monitor {

using ipc::Ready;
using ipc::Role;

namespace {

constexpr const char* kNoSystemCalls = "NO SECCOMP (sanitizer build: for tests only)";

std::string landlock_text(const Ready& reached) {
  return reached.landlock_abi != 0 ? "ABI " + std::to_string(reached.landlock_abi) : "NO";
}

// A row of the table: its name, and the text for a process.
struct Row {
  const char* name;
  std::string (*text)(const Ready& reached);
};

std::string always(const Ready&) {
  return "yes";
}

constexpr Row kRows[] = {
    {"user id", [](const Ready& r) { return std::to_string(r.user); }},
    {"group id", [](const Ready& r) { return std::to_string(r.group); }},
    {"no capabilities", always},
    {"no new privileges", always},
    {"no core, no ptrace", always},
    {"no writable code", [](const Ready& r) { return std::string(r.mdwe ? "yes" : "by filter"); }},
    {"namespaces", [](const Ready& r) { return std::string(r.namespaces ? "own" : "shared"); }},
    {"Landlock", [](const Ready& r) { return landlock_text(r); }},
    {"system call filter", [](const Ready& r) { return std::string(r.system_calls != 0 ? "yes" : "NO"); }},
};

void append_cell(std::string& line, const std::string& text, size_t width) {
  line += text;
  line.append(width - std::min(width, text.size()), ' ');
}

std::string trimmed(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

}  // namespace

std::string sandbox_line(const Ready& reached) {
  std::string line = "sandbox: uid " + std::to_string(reached.user) + " gid " +
                     std::to_string(reached.group) + ", no capabilities, no-new-privs";
  if (reached.mdwe) line += ", no writable code";
  if (reached.namespaces) line += ", own user, network, mount, ipc and uts namespaces, empty root";
  if (!reached.not_granted.value.empty()) line += ", no namespaces (" + reached.not_granted.value + ")";
  line += reached.landlock_abi != 0 ? ", Landlock " + landlock_text(reached)
                                    : std::string(", NO LANDLOCK (--sandbox=no-landlock)");
  return line + ", " + (reached.system_calls != 0 ? "seccomp filter" : kNoSystemCalls);
}

std::string sandbox_table(const SandboxReports& processes) {
  constexpr size_t kFirst = 20, kOther = 12;
  std::string table, line, notes;
  append_cell(line, "", kFirst);
  for (const auto& [role, reached] : processes)
    append_cell(line, std::string(to_string(role)), kOther);
  table += trimmed(std::move(line));
  for (const Row& row : kRows) {
    line.clear();
    append_cell(line, row.name, kFirst);
    for (const auto& [role, reached] : processes)
      append_cell(line, row.text(reached), kOther);
    table += trimmed(std::move(line));
  }
  for (const auto& [role, reached] : processes) {
    const std::string& why = reached.not_granted.value;
    if (!why.empty())
      notes +=
          std::string(to_string(role)) + ": the system grants no namespaces: " + escape_for_log(why) + "\n";
  }
  return table + notes;
}

IdleHelpers::IdleHelpers(const config::Config& config, event::Loop& loop, Launcher& launcher,
                         event::Callback on_change)
    : launcher_(launcher),
      on_change_(std::move(on_change)),
      setup_(setup_of(config, launcher.pid())),
      reports_{{Role::kLaunch, launcher.reached()}},
      deferred_(loop) {}

void IdleHelpers::next() {
  static constexpr std::array kRoles{Role::kNet, Role::kBridge, Role::kResolve};
  const size_t started = reports_.size() - 1;
  if (started == kRoles.size()) return end(std::move(reports_));
  if (auto begun = start(kRoles[started]); !begun) end(begun.error());
}

Result<> IdleHelpers::start(Role role) {
  auto sibling = make_socketpair(SOCK_SEQPACKET);
  if (!sibling) return sibling.error();
  auto child = launcher_.start(
      {.role = role, .setup = setup_, .sibling = std::move(sibling->first)},
      {.on_ready = [this, role] { on_ready(role); },
       .on_exit =
           [this, role](const Exit& exit) {
             end(Error("the " + std::string(to_string(role)) + " process " + exit.describe()));
           }});
  if (!child) return child.error();
  child_ = std::move(*child);
  return {};
}

void IdleHelpers::on_ready(Role role) {
  reports_.emplace_back(role, child_->reached());
  deferred_.destroy(std::move(child_));
  next();
}

void IdleHelpers::end(Result<SandboxReports> outcome) {
  if (outcome_) return;
  outcome_ = std::move(outcome);
  on_change_();
}

}  // namespace localproxy::monitor
