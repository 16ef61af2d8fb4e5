#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>

#include "bounds.h"
#include "commands.h"

namespace localproxy::service {

// One client. Its commands run one after the other: a waiting one delays those behind it.
class Control::Session {
 public:
  Session(Control& control, UniqueFd fd)
      : control_(control),
        fd_(std::move(fd)),
        read_event_(control.base_, fd_.get(), EV_READ | EV_PERSIST, on_read, this),
        write_event_(control.base_, fd_.get(), EV_WRITE | EV_PERSIST, on_write, this) {
    read_event_.add();
  }
  ~Session() { control_.server_.forget(this); }

 private:
  static void on_read(evutil_socket_t, short, void* self) {
    auto& session = *static_cast<Session*>(self);
    session.read();
    session.control_.server_.settle();
  }
  static void on_write(evutil_socket_t, short, void* self) { static_cast<Session*>(self)->write(); }

  void read() {
    std::array<char, 64 * 1024> bytes;
    const ssize_t got = ::recv(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0 || in_.size() + static_cast<size_t>(got) > bounds::kControlLine) return end();
    in_.append(bytes.data(), static_cast<size_t>(got));
    run();
  }

  void run() {
    while (!waiting_ && !ended_) {
      const size_t line_end = in_.find('\n');
      if (line_end == std::string::npos) return;
      const std::string line = in_.substr(0, line_end);
      in_.erase(0, line_end + 1);
      Outcome outcome = run_command(control_.server_, line);
      if (!outcome.until) {
        answer(outcome.answer);
        continue;
      }
      waiting_ = true;
      control_.server_.wait(this, std::move(outcome.until), outcome.timeout, [this](bool held) {
        waiting_ = false;
        answer(held ? nlohmann::json::object() : error_answer("not in time"));
        run();
      });
    }
  }

  void answer(const nlohmann::json& answer) {
    // Invalid UTF-8 from a peer must not break the answer.
    out_ += answer.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
    write();
  }

  void write() {
    while (!out_.empty()) {
      const ssize_t sent = ::send(fd_.get(), out_.data(), out_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0 && errno == EINTR) continue;
      if (sent < 0 && errno == EAGAIN) return write_event_.add();
      if (sent < 0) return end();
      out_.erase(0, static_cast<size_t>(sent));
    }
    write_event_.remove();
  }

  void end() {
    if (std::exchange(ended_, true)) return;
    read_event_.cancel();
    write_event_.cancel();
    control_.end(*this);
  }

  Control& control_;
  UniqueFd fd_;
  Event read_event_;
  Event write_event_;
  std::string in_;
  std::string out_;
  bool waiting_ = false;
  bool ended_ = false;
};

Control::Control(event_base* base, Server& server)
    : base_(base), server_(server), reap_(base, -1, 0, on_reap, this) {}

Control::~Control() = default;

Result<> Control::listen(const std::string& directory) {
  const std::string path = directory + "/control.sock";
  ::unlink(path.c_str());
  const UniqueFd directory_fd(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory_fd) return system_error("open " + directory, errno);
  fd_ = UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd_) return system_error("socket", errno);
  // Through the descriptor, because a socket path is limited to 107 characters.
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string short_path = "/proc/self/fd/" + std::to_string(directory_fd.get()) + "/control.sock";
  short_path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return system_error("bind " + path, errno);
  }
  if (::listen(fd_.get(), SOMAXCONN) != 0) return system_error("listen " + path, errno);
  accept_event_ = std::make_unique<Event>(base_, fd_.get(), EV_READ | EV_PERSIST, on_accept, this);
  accept_event_->add();
  return {};
}

void Control::on_accept(evutil_socket_t fd, short, void* self) {
  auto& control = *static_cast<Control*>(self);
  for (;;) {
    UniqueFd socket(::accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) return;
    auto session = std::make_unique<Session>(control, std::move(socket));
    Session* const key = session.get();
    control.sessions_.emplace(key, std::move(session));
  }
}

void Control::end(Session& session) {
  ended_.insert(sessions_.extract(&session));
  server_.forget(&session);
  reap_.activate(EV_TIMEOUT);
}

void Control::on_reap(evutil_socket_t, short, void* self) {
  static_cast<Control*>(self)->ended_.clear();
}

}  // namespace localproxy::service
