// tunnel-service: a stand-in for the cloud service of AWS IoT secure tunneling; see README.md.

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/log.h"
#include "base/result.h"
#include "certificate.h"
#include "control.h"
#include "event.h"
#include "files.h"
#include "journal.h"
#include "server.h"

namespace localproxy::service {
namespace {

constexpr char kUsage[] =
    "usage: tunnel-service --dir DIR [--listen ADDR:PORT]... [--tunnel NAME[=SERVICE,...]]...\n"
    "                      [--log FILE] [--until-eof]\n";

struct TunnelOption {
  std::string name;
  std::vector<std::string> services;
};

struct Options {
  std::string directory;
  std::vector<std::string> listen;
  std::vector<TunnelOption> tunnels;
  std::string log;
  bool until_eof = false;
};

// Writes lines with a time stamp to a file or to standard error.
class LineLog final : public Log {
 public:
  explicit LineLog(UniqueFd file) : Log(LogLevel::kDebug), file_(std::move(file)) {}

 private:
  void emit(LogLevel level, std::string_view text) override {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    tm parts{};
    ::gmtime_r(&now.tv_sec, &parts);
    std::array<char, 64> stamp{};
    const size_t size = ::strftime(stamp.data(), stamp.size(), "%FT%T", &parts);
    std::string line(stamp.data(), size);
    line += "." + std::to_string(1000 + now.tv_nsec / 1'000'000).substr(1) + "Z ";
    // Lines start with "breach: " and the like; only errors also name their level.
    if (level <= LogLevel::kError) line += std::string(to_string(level)) + ": ";
    line += escape_for_log(text) + "\n";
    const int fd = file_ ? file_.get() : STDERR_FILENO;
    // The service keeps running if the log cannot be written.
    [[maybe_unused]] const ssize_t written = ::write(fd, line.data(), line.size());
  }

  UniqueFd file_;
};

TunnelOption parse_tunnel(std::string_view text) {
  const size_t equals = text.find('=');
  TunnelOption option{std::string(text.substr(0, equals)), {}};
  if (equals == std::string_view::npos) return option;
  for (std::string_view rest = text.substr(equals + 1);;) {
    const size_t comma = rest.find(',');
    option.services.emplace_back(rest.substr(0, comma));
    if (comma == std::string_view::npos) return option;
    rest.remove_prefix(comma + 1);
  }
}

std::optional<Options> parse_options(const std::vector<std::string>& words) {
  Options options;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    if (word == "--until-eof") {
      options.until_eof = true;
      continue;
    }
    if (++i == words.size()) return std::nullopt;
    if (word == "--dir") {
      options.directory = words[i];
    } else if (word == "--listen") {
      options.listen.push_back(words[i]);
    } else if (word == "--tunnel") {
      options.tunnels.push_back(parse_tunnel(words[i]));
    } else if (word == "--log") {
      options.log = words[i];
    } else {
      return std::nullopt;
    }
  }
  if (options.directory.empty()) return std::nullopt;
  if (options.listen.empty()) options.listen.emplace_back("127.0.0.1:0");
  return options;
}

void stop(evutil_socket_t, short, void* base) {
  event_base_loopbreak(static_cast<event_base*>(base));
}

void stop_at_eof(evutil_socket_t fd, short, void* base) {
  std::array<char, 256> waste;
  const ssize_t got = ::read(fd, waste.data(), waste.size());
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) stop(fd, 0, base);
}

struct FreeBase {
  void operator()(event_base* base) const { event_base_free(base); }
};

Result<> start(const Options& options, Server& server, Control& control) {
  for (const TunnelOption& tunnel : options.tunnels) {
    if (auto opened = server.registry().open(tunnel.name, tunnel.services); !opened) return opened.error();
  }
  uint16_t port = 0;
  for (const std::string& address : options.listen) {
    const auto listening = server.listen(address);
    if (!listening) return listening.error();
    if (port == 0) port = *listening;
  }
  if (auto listening = control.listen(options.directory); !listening) return listening.error();
  const std::string text = std::to_string(port);
  if (auto written = write_atomically(options.directory + "/port", text, 0644); !written) {
    return written.error();
  }
  if (printf("ready %s\n", text.c_str()) < 0 || fflush(stdout) != 0) return Error("cannot write to stdout");
  return {};
}

Result<> run(const Options& options) {
  if (auto made = make_directory(options.directory); !made) return made.error();
  UniqueFd log_file;
  if (!options.log.empty()) {
    log_file = UniqueFd(::open(options.log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    if (!log_file) return system_error("open " + options.log, errno);
  }
  LineLog log(std::move(log_file));
  Journal journal(log);
  auto certificates = Certificates::make(options.directory);
  if (!certificates) return certificates.error();

  const std::unique_ptr<event_base, FreeBase> base(event_base_new());
  check(base != nullptr, "no event loop");
  Server server(base.get(), options.directory, std::move(certificates).value(), journal);
  Control control(base.get(), server);

  // libevent restores SIG_IGN when the events are freed, so that a second signal cannot change the exit
  // status.
  for (const int number : {SIGTERM, SIGINT})
    check(::signal(number, SIG_IGN) != SIG_ERR, "cannot ignore a signal");
  Event terminate(base.get(), SIGTERM, EV_SIGNAL | EV_PERSIST, stop, base.get());
  Event interrupt(base.get(), SIGINT, EV_SIGNAL | EV_PERSIST, stop, base.get());
  terminate.add();
  interrupt.add();
  Event eof(base.get(), STDIN_FILENO, EV_READ | EV_PERSIST, stop_at_eof, base.get());
  if (options.until_eof) eof.add();
  if (auto started = start(options, server, control); !started) return started.error();
  event_base_dispatch(base.get());
  return {};
}

}  // namespace
}  // namespace localproxy::service

int main(int argc, char** argv) {
  using namespace localproxy;
  const auto options = service::parse_options(std::vector<std::string>(argv + 1, argv + argc));
  if (!options) {
    static_cast<void>(fputs(service::kUsage, stderr));
    return 1;
  }
  check(::signal(SIGPIPE, SIG_IGN) != SIG_ERR, "cannot ignore SIGPIPE");
  if (const auto ran = service::run(*options); !ran) {
    static_cast<void>(fprintf(stderr, "tunnel-service: %s\n", ran.error().text().c_str()));
    return 1;
  }
  return 0;
}
