// Takes the place of a helper, in the sandbox of the launch process, and sends the monitor what no real
// helper sends. One word at the end of its own file tells what: a helper has no arguments.
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "ipc/descriptors.h"
#include "ipc/messages.h"
#include "tests/sandbox/datagram.h"

namespace {

using namespace localproxy;

void wait_for(short events) {
  pollfd wait{ipc::kMonitorFd, events, 0};
  ::poll(&wait, 1, -1);
}

// The last word of this file.
std::string order() {
  const int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  std::array<char, 64> end{};
  const off_t size = ::lseek(file, -static_cast<off_t>(end.size()), SEEK_END);
  if (size < 0 || ::read(file, end.data(), end.size()) != static_cast<ssize_t>(end.size())) ::_exit(99);
  const std::string text(end.data(), end.size());
  return text.substr(text.rfind(' ') + 1);
}

void send_raw(const std::string& bytes, int descriptor = -1) {
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (descriptor >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(head), &descriptor, sizeof descriptor);
  }
  while (::sendmsg(ipc::kMonitorFd, &message, MSG_NOSIGNAL) < 0 && errno == EAGAIN)
    wait_for(POLLOUT);
}

// Waits for one from the monitor.
void wait_for_message(ipc::Type type) {
  for (uint16_t number = 0; number != static_cast<uint16_t>(type);) {
    std::array<uint8_t, 65'536> message{};
    wait_for(POLLIN);
    if (::recv(ipc::kMonitorFd, message.data(), message.size(), 0) < 2) ::_exit(98);
    number = load_be<uint16_t>(message.data());
  }
}

template <typename M>
void send(const M& message, int descriptor = -1) {
  send_raw(test::datagram_of(message), descriptor);
}

// To standard error, however long the monitor takes to read it.
void write_error(std::string_view text) {
  while (::write(STDERR_FILENO, text.data(), text.size()) < 0) {
    pollfd room{STDERR_FILENO, POLLOUT, 0};
    ::poll(&room, 1, -1);
  }
}

// Lines of a flood.
constexpr int kFlood = 100'000;

ipc::LogLine line(std::string text, uint8_t level = 4) {
  return {level, {text}};
}

struct Order {
  const char* word;
  void (*act)();
};

constexpr Order kOrders[] = {
    {"ready-twice", [] { send(ipc::Ready{}); }},
    {"unknown-type", [] { send_raw(std::string("\xff\xff", 2)); }},
    {"type-zero", [] { send_raw(std::string(2, '\0')); }},
    {"one-byte", [] { send_raw("x"); }},
    {"wrong-direction", [] { send(ipc::Setup{}); }},
    {"up-twice",
     [] {
       send(ipc::Up{});
       send(ipc::Up{});
     }},
    {"cut", [] { send_raw(test::datagram_of(ipc::LogLine{}).substr(0, 3)); }},
    {"lying-length", [] { send_raw(test::datagram_of(line("x")).replace(4, 1, 1, '\x7f')); }},
    {"too-long", [] { send_raw(test::datagram_of(line("x")) + std::string(ipc::max_message_size(), 'x')); }},
    {"descriptor",
     [] {
       for (int i = 0; i < 500; ++i)
         send(line("with descriptor " + std::to_string(i)), 0);
     }},
    {"dial-range",
     [] {
       send(ipc::Dial{65'535, 1});
     }},
    {"dial-many",
     [] {
       wait_for_message(ipc::Type::kTarget);
       for (uint32_t cookie = 1; cookie <= 12'000; ++cookie) {
         send(ipc::Dial{0, cookie});
         std::array<char, 1'024> answer{};
         while (::recv(ipc::kMonitorFd, answer.data(), answer.size(), 0) > 0) {
         }
       }
       send(line("all dials were asked for"));
     }},
    {"dial-deaf",
     [] {
       wait_for_message(ipc::Type::kTarget);
       for (uint32_t cookie = 1; cookie <= 12'000; ++cookie)
         send(ipc::Dial{0, cookie});
     }},
    {"cookie-twice",
     [] {
       wait_for_message(ipc::Type::kTarget);
       send(ipc::Dial{0, 7});
       send(ipc::Dial{0, 7});
     }},
    {"cancel-unknown",
     [] {
       for (uint32_t cookie = 0; cookie < 1'000; ++cookie)
         send(ipc::DialCancel{cookie});
       send(line("all were cancelled"));
     }},
    {"log-flood",
     [] {
       for (int i = 0; i < kFlood; ++i)
         send(line("flood " + std::to_string(i)));
     }},
    {"stderr-flood",
     [] {
       for (int i = 0; i < kFlood; ++i)
         write_error("flood " + std::to_string(i) + "\n");
     }},
    {"log-repeats",
     [] {
       for (int i = 0; i < kFlood; ++i)
         send(line("flood"));
     }},
    {"log-flood-end",
     [] {
       for (int i = 0; i < kFlood; ++i)
         send(line("flood " + std::to_string(i)));
       ::_exit(99);
     }},
    {"loop",
     [] {
       for (volatile bool forever = true; forever;) {
       }
     }},
    {"stderr-endless",
     [] {
       send(line("it begins"));
       for (int i = 0;; ++i)
         write_error("flood " + std::to_string(i) + "\n");
     }},
    {"log-control", [] { send(line("\x1b[2J\n[2026-01-01T00:00:00.000000Z] [info] forged\r\x07 line")); }},
    {"log-level",
     [] {
       send(line("of no level", 0));
       send(line("of a level too high", 255));
     }},
    {"counters", [] { send(ipc::Counters{}); }},
    {"pong", [] { send(ipc::Pong{}); }},
    {"stdio-ended", [] { send(ipc::StdioEnded{1}); }},
    {"exited-unknown",
     [] {
       for (uint32_t number = 100; number < 1'000; ++number)
         send(ipc::Exited{number, 1, 9, {}});
       send(line("they have all ended"));
     }},
    {"addresses",
     [] {
       send(ipc::Addresses{{{"12345", "", "1"}}});
     }},
    {"stderr",
     [] {
       const std::string garbage(1'000, '\x1b');
       for (int i = 0; i < 100; ++i)
         [[maybe_unused]] const auto written = ::write(STDERR_FILENO, garbage.data(), garbage.size());
       send(line("so much for that"));
     }},
    {"close", [] { ::close(ipc::kMonitorFd); }},
};

}  // namespace

int main() {
  const pid_t parent = ::getppid();
  const std::string word = order();
  wait_for_message(ipc::Type::kSetup);
  if (word != "silent") {
    send(ipc::Ready{});
    for (const Order& order : kOrders)
      if (word == order.word) order.act();
  }
  // In place of launch it runs as root, and the death signal from an ordinary user's process does not reach
  // it.
  while (::getppid() == parent)
    ::poll(nullptr, 0, 100);
}
