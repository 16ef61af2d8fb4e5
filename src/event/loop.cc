#include "event/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "base/log.h"

namespace localproxy::event {
namespace {

void call_back(evutil_socket_t, short, void* callback) {
  (*static_cast<Callback*>(callback))();
}

// The kernel can refuse for lack of memory or because of fs.epoll.max_user_watches. A loop that does not
// watch what it should would hang, so this ends the process.
void must_watch(int result) {
  if (result != 0) fatal(system_error("cannot watch a descriptor", errno).text());
}

::event* make_event(event_base* base, int fd, short what, Callback* callback) {
  ::event* made = event_new(base, fd, what, call_back, callback);
  check(made != nullptr, "event_new failed");
  return made;
}

}  // namespace

Loop::Loop() {
  event_config* config = event_config_new();
  check(config != nullptr, "event_config_new failed");
  // Nothing in the environment (EVENT_NOEPOLL and the like) may choose the backend.
  event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
  event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
  base_ = event_base_new_with_config(config);
  event_config_free(config);
  check(base_ != nullptr, "event_base_new_with_config failed");
}

Loop::~Loop() {
  event_base_free(base_);
}

void Loop::run() {
  check(event_base_dispatch(base_) >= 0, "event_base_dispatch failed");
}

void Loop::stop() {
  event_base_loopbreak(base_);
}

Watcher::Watcher(Loop& loop, int fd, Callback on_readable, Callback on_writable)
    : on_readable_(std::move(on_readable)),
      on_writable_(std::move(on_writable)),
      read_event_(make_event(loop.base(), fd, EV_READ | EV_PERSIST, &on_readable_)),
      write_event_(make_event(loop.base(), fd, EV_WRITE | EV_PERSIST, &on_writable_)) {}

Watcher::~Watcher() {
  event_free(read_event_);
  event_free(write_event_);
}

void Watcher::want_read(bool want) {
  if (want == reading_) return;
  reading_ = want;
  must_watch(want ? event_add(read_event_, nullptr) : event_del(read_event_));
}

void Watcher::want_write(bool want) {
  if (want == writing_) return;
  writing_ = want;
  must_watch(want ? event_add(write_event_, nullptr) : event_del(write_event_));
}

Task::Task(Loop& loop, Callback callback)
    : callback_(std::move(callback)), event_(make_event(loop.base(), -1, 0, &callback_)) {}

Task::~Task() {
  event_free(event_);
}

void Task::start() {
  event_active(event_, EV_TIMEOUT, 0);
}

void Task::cancel() {
  event_del(event_);
}

Timer::Timer(Loop& loop, Callback callback)
    : callback_(std::move(callback)),
      event_(event_new(
          loop.base(), -1, 0,
          [](evutil_socket_t, short, void* self) {
            auto* timer = static_cast<Timer*>(self);
            timer->running_ = false;
            timer->callback_();
          },
          this)) {
  check(event_ != nullptr, "event_new failed");
}

Timer::~Timer() {
  event_free(event_);
}

void Timer::start(std::chrono::milliseconds delay) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(delay);
  timeval wait{};
  wait.tv_sec = static_cast<time_t>(seconds.count());
  wait.tv_usec = static_cast<suseconds_t>(std::chrono::microseconds(delay - seconds).count());
  check(event_add(event_, &wait) == 0, "cannot start a timer");
  running_ = true;
}

void Timer::stop() {
  event_del(event_);
  running_ = false;
}

namespace {

// The descriptor to which the handler of each signal writes its note.
std::array<volatile sig_atomic_t, NSIG> note_fds = [] {
  std::array<volatile sig_atomic_t, NSIG> none{};
  for (auto& fd : none)
    fd = -1;
  return none;
}();

void on_signal(int number) {
  const int kept = errno;
  const char note = 0;
  // If the socket is full, it holds a note already.
  [[maybe_unused]] const ssize_t written = ::write(note_fds[static_cast<size_t>(number)], &note, sizeof note);
  errno = kept;
}

FdPair make_notes() {
  auto pair = make_socketpair(SOCK_SEQPACKET);
  if (!pair) fatal("cannot watch a signal: " + pair.error().text());
  return std::move(*pair);
}

}  // namespace

Signal::Signal(Loop& loop, int number, Callback callback)
    : number_(number),
      callback_(std::move(callback)),
      notes_(make_notes()),
      watcher_(
          loop, notes_.first.get(), [this] { on_readable(); }, [] {}) {
  watcher_.want_read(true);
  note_fds[static_cast<size_t>(number)] = notes_.second.get();
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  check(::sigaction(number, &action, nullptr) == 0, "cannot watch a signal");
}

Signal::~Signal() {
  ::signal(number_, SIG_IGN);
  note_fds[static_cast<size_t>(number_)] = -1;
}

void Signal::on_readable() {
  char note = 0;
  while (::recv(notes_.first.get(), &note, sizeof note, MSG_TRUNC) > 0) {
  }
  callback_();
}

}  // namespace localproxy::event
