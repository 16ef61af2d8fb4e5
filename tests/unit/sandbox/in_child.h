// Runs a part of a test in a child, because no process can leave a sandbox.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>

#include "base/fd.h"

namespace localproxy::sandbox::test {

// How a child ended, and what it wrote.
struct Ended {
  int status = -1;  // its exit status, or -1
  int signal = 0;   // what killed it, or 0
  std::string said;
};

class Child {
 public:
  // Starts a child that runs `body` and exits with its result. `say` sends a text to the parent.
  using Say = std::function<void(std::string_view)>;
  explicit Child(const std::function<int(const Say& say)>& body) {
    auto to_us = make_pipe();
    EXPECT_TRUE(to_us.ok());
    pid_ = ::fork();
    if (pid_ == 0) {
      // Some children are killed on purpose; they leave no core file. The hard limit is for enter() to set.
      rlimit core{};
      ::getrlimit(RLIMIT_CORE, &core);
      core.rlim_cur = 0;
      ::setrlimit(RLIMIT_CORE, &core);
      ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
      const int fd = to_us->second.get();
      ::_exit(body([fd](std::string_view text) {
        if (::write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) ::_exit(120);
      }));
    }
    EXPECT_GT(pid_, 0);
    output_ = std::move(to_us->first);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

  pid_t pid() const { return pid_; }
  // The next text from the child; empty when it has ended.
  std::string hear() {
    pollfd wait{output_.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&wait, 1, 30'000), 1) << "the child says nothing";
    char buffer[4'096];
    const ssize_t size = ::read(output_.get(), buffer, sizeof buffer);
    return size > 0 ? std::string(buffer, static_cast<size_t>(size)) : "";
  }
  Ended wait() {
    Ended ended;
    for (std::string more; !(more = hear()).empty();)
      ended.said += more;
    int status = 0;
    EXPECT_EQ(::waitpid(pid_, &status, 0), pid_);
    pid_ = -1;
    if (WIFEXITED(status)) ended.status = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) ended.signal = WTERMSIG(status);
    return ended;
  }

 private:
  pid_t pid_ = -1;
  UniqueFd output_;
};

inline Ended in_child(const std::function<int(const Child::Say& say)>& body) {
  return Child(body).wait();
}

// The result of a system call wrapper: 0, or errno.
inline int error_of(long returned) {
  return returned < 0 ? errno : 0;
}

inline bool no_new_privs() {
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

}  // namespace localproxy::sandbox::test
