// A running helper, with all its peers under the control of an attacker.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/spawn.h"
#include "ipc/channel.h"
#include "tests/sandbox/datagram.h"
#include "tests/unit/ipc/raw_socket.h"

namespace localproxy::test {

using ipc::Role;
using ipc::State;

// Milliseconds that a process gets for any action; it needs far less.
constexpr int kPatience = 20'000;

class Victim {
 public:
  explicit Victim(Role role) {
    auto channel = make_socketpair(SOCK_SEQPACKET);
    auto errors = make_socketpair(SOCK_SEQPACKET);
    auto sibling = make_socketpair(SOCK_SEQPACKET);
    const std::string name = "localproxy-" + std::string(to_string(role));
    const UniqueFd program = open_program(name);
    if (!program) return;
    const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    std::vector<int> fds{null.get(), null.get(), errors->second.get(), channel->second.get()};
    if (role == Role::kNet) fds.push_back(sibling->second.get());
    if (role == Role::kLaunch)
      fds.insert(fds.end(), {program.get(), program.get(), program.get(), null.get()});
    auto pid = spawn(program.get(), name.c_str(), fds);
    if (!pid.ok()) return;
    pid_ = *pid;
    channel_ = std::move(channel->first);
    errors_ = std::move(errors->first);
    sibling_ = std::move(sibling->first);
    wait_for_room(channel_);
    wait_for_room(sibling_);
  }
  Victim(const Victim&) = delete;
  Victim& operator=(const Victim&) = delete;
  ~Victim() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  bool running() const { return pid_ > 0; }
  int channel() const { return channel_.get(); }
  int sibling() const { return sibling_.get(); }

  // Sending waits until the receiver has read.
  static void wait_for_room(const UniqueFd& socket) { ::fcntl(socket.get(), F_SETFL, 0); }

  // Sends the monitor's first message. The answer is READY.
  void begin() {
    ipc::Setup setup;
    setup.parent_pid = static_cast<uint32_t>(::getpid());
    if (::geteuid() == 0) {
      setup.user = 12'345;
      setup.group = 12'345;
    }
    send(setup);
    ASSERT_TRUE(hears(ipc::Type::kReady)) << said();
  }

  template <typename M>
  void send(const M& message, const std::vector<int>& fds = {}) {
    send_to(channel(), message, fds);
  }
  template <typename M>
  static void send_to(int socket, const M& message, const std::vector<int>& fds = {}) {
    ipc::test::send_raw(socket, datagram_of(message), fds);
  }

  // Waits for a message of that type; drops others.
  bool hears(ipc::Type type) { return hears_on(channel(), type); }
  static bool hears_on(int socket, ipc::Type type) {
    for (std::optional<uint16_t> heard; (heard = receive(socket));)
      if (*heard == static_cast<uint16_t>(type)) return true;
    return false;
  }
  // The number of the next message; empty: the other end was closed, or nothing arrived.
  static std::optional<uint16_t> receive(int socket) {
    pollfd wait{socket, POLLIN, 0};
    if (::poll(&wait, 1, kPatience) != 1) return std::nullopt;
    std::array<uint8_t, 8'192> buffer{};
    const ssize_t size = ::recv(socket, buffer.data(), buffer.size(), 0);
    if (size < 2) return std::nullopt;
    return load_be<uint16_t>(buffer.data());
  }

  // What it wrote to its standard error.
  std::string said() {
    std::array<char, 4'096> buffer{};
    for (ssize_t size = 0; (size = ::recv(errors_.get(), buffer.data(), buffer.size(), 0)) > 0;)
      text_.append(buffer.data(), static_cast<size_t>(size));
    return text_;
  }

  // Waits for its end: the exit status, or minus the signal; -1000: it still runs.
  int end() {
    for (int waited = 0; waited < kPatience; waited += 5) {
      int status = 0;
      if (::waitpid(pid_, &status, WNOHANG) == pid_) {
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
      }
      ::poll(nullptr, 0, 5);
    }
    return -1'000;
  }

 private:
  static UniqueFd open_program(const std::string& name) {
    const char* const directory = ::getenv("LOCALPROXY_BUILD_DIR");
    return UniqueFd(
        ::open((std::string(directory != nullptr ? directory : ".") + "/src/main/" + name).c_str(),
               O_PATH | O_CLOEXEC));
  }

  pid_t pid_ = -1;
  UniqueFd channel_, errors_, sibling_;
  std::string text_;
};

}  // namespace localproxy::test
