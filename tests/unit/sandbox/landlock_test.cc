#include "sandbox/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/address.h"
#include "sandbox/ids.h"
#include "tests/unit/sandbox/in_child.h"

namespace localproxy::sandbox {
namespace {

using test::Child;
using test::Ended;
using test::error_of;
using test::in_child;
using testing::HasSubstr;
namespace fs = std::filesystem;

// 0, or why a file cannot be opened.
int open_error(const fs::path& path, int flags = O_RDONLY) {
  return error_of(UniqueFd(::open(path.c_str(), flags | O_CLOEXEC, 0600)).get());
}

class LandlockTest : public testing::Test {
 protected:
  void SetUp() override {
    if (landlock_abi() == 0) GTEST_SKIP() << "this kernel has no Landlock";
    char name[] = "/tmp/localproxy-landlock-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
    for (const char* each : {"in", "out"}) {
      fs::create_directory(directory_ / each);
      std::ofstream(directory_ / each / "file") << "text";
    }
  }
  void TearDown() override {
    if (!directory_.empty()) fs::remove_all(directory_);
  }
  fs::path in(const char* name = "file") const { return directory_ / "in" / name; }
  fs::path out(const char* name = "file") const { return directory_ / "out" / name; }

  // Enters Landlock in a child; returns what `errors` returns there: one errno for each attempt.
  static std::vector<int> tried(const LandlockRules& rules, const std::function<std::vector<int>()>& errors) {
    const Ended ended = in_child([&](const Child::Say& say) {
      if (!test::no_new_privs()) return 2;
      const auto entered = enter_landlock(rules);
      if (!entered.ok()) {
        say(entered.error().text());
        return 3;
      }
      if (*entered != landlock_abi()) return 4;
      for (const int error : errors())
        say(std::string(1, static_cast<char>(error)));
      return 0;
    });
    EXPECT_EQ(ended.status, 0) << ended.said;
    return {ended.said.begin(), ended.said.end()};
  }

  fs::path directory_;
};

TEST_F(LandlockTest, WithoutRulesNothingCanBeOpened) {
  const UniqueFd before(::open(in().c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(tried({},
                  [&] {
                    char byte = 0;
                    return std::vector{open_error(in()), open_error("/"), open_error("/etc/passwd"),
                                       open_error(in("new"), O_WRONLY | O_CREAT),
                                       error_of(::unlink(in().c_str())),
                                       error_of(::execl("/bin/true", "true", nullptr)),
                                       // Open descriptors stay usable.
                                       error_of(::read(before.get(), &byte, 1))};
                  }),
            (std::vector{EACCES, EACCES, EACCES, EACCES, EACCES, EACCES, 0}));
}

TEST_F(LandlockTest, ADirectoryMayBeReadWithAllBelow) {
  EXPECT_EQ(tried({.read = {in("")}},
                  [&] {
                    return std::vector{open_error(in()),           open_error(in("")),
                                       open_error(in(), O_WRONLY), open_error(in("new"), O_WRONLY | O_CREAT),
                                       open_error(out()),          error_of(::unlink(in().c_str()))};
                  }),
            (std::vector{0, 0, EACCES, EACCES, EACCES, EACCES}));
}

TEST_F(LandlockTest, AFileMayBeReadAndItsNeighboursNot) {
  std::ofstream(in("other")) << "text";
  EXPECT_EQ(tried({.read = {in()}},
                  [&] {
                    return std::vector{open_error(in()), open_error(in("other")), open_error(in(""))};
                  }),
            (std::vector{0, EACCES, EACCES}));
}

TEST_F(LandlockTest, AFileMayBeReadButNotWrittenOrRemoved) {
  EXPECT_EQ(tried({.read = {in()}},
                  [&] {
                    return std::vector{open_error(in(), O_RDWR), open_error(in(), O_WRONLY | O_TRUNC),
                                       open_error(out(), O_RDWR), error_of(::unlink(in().c_str()))};
                  }),
            (std::vector{EACCES, EACCES, EACCES, EACCES}));
}

TEST_F(LandlockTest, FilesOfADirectoryMayBeRemovedButNotOpened) {
  EXPECT_EQ(tried({.make_sockets = {in("")}},
                  [&] {
                    return std::vector{open_error(in()), error_of(::unlink(in().c_str())),
                                       error_of(::unlink(out().c_str()))};
                  }),
            (std::vector{EACCES, 0, EACCES}));
}

TEST_F(LandlockTest, ReadAccessDoesNotAllowExecution) {
  fs::copy_file("/bin/true", in("program"));
  EXPECT_EQ(tried({.read = {"/"}},
                  [&] { return std::vector{error_of(::execl(in("program").c_str(), "program", nullptr))}; }),
            std::vector{EACCES});
}

TEST_F(LandlockTest, AFileMayBeRunByItsDescriptor) {
  fs::copy_file("/bin/true", in("program"));
  const UniqueFd program(::open(in("program").c_str(), O_PATH | O_CLOEXEC));
  const Ended ended = in_child([&](const Child::Say& say) {
    if (!test::no_new_privs()) return 2;
    // The loader and the libraries are where this program has them.
    const auto entered = enter_landlock(
        {.execute = {"/lib", "/lib64", "/usr/lib", "/usr/lib64"}, .execute_files = {program.get()}});
    if (!entered.ok()) say(entered.error().text());
    if (open_error(in()) != EACCES) return 3;
    char* const argv[] = {const_cast<char*>("program"), nullptr};
    char* const environment[] = {nullptr};
    ::execveat(program.get(), "", argv, environment, AT_EMPTY_PATH);
    say("cannot run: " + std::to_string(errno));
    return 4;
  });
  EXPECT_EQ(ended.status, 0) << ended.said;
}

TEST_F(LandlockTest, PathsThatDoNotExistAreLeftOut) {
  EXPECT_EQ(tried({.read = {"/nowhere/at/all", in() / "below-a-file", in()}},
                  [&] { return std::vector{open_error(in())}; }),
            std::vector{0});
}

TEST_F(LandlockTest, OnlyNamedPortsMayBeConnectedToAndBound) {
  if (landlock_abi() < 4) GTEST_SKIP() << "this kernel's Landlock knows no ports";
  // Two listening ports; a rule names one.
  std::vector<UniqueFd> sockets;
  std::vector<Address> addresses;
  for (size_t i = 0; i < 2; ++i) {
    Address address = *parse_address("127.0.0.1", 0);
    sockets.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(sockets[i].get(), address.get(), address.size), 0);
    ASSERT_EQ(::listen(sockets[i].get(), 4), 0);
    ASSERT_EQ(::getsockname(sockets[i].get(), reinterpret_cast<sockaddr*>(&address.storage), &address.size),
              0);
    addresses.push_back(address);
  }
  const auto connect_error = [](const Address& address) {
    const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return error_of(::connect(socket.get(), address.get(), address.size));
  };
  const auto bind_error = [](const Address& address) {
    const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return error_of(::bind(socket.get(), address.get(), address.size));
  };
  EXPECT_EQ(tried({.connect_ports = {addresses[0].port()}, .bind_ports = {addresses[1].port()}},
                  [&] {
                    return std::vector{connect_error(addresses[0]), connect_error(addresses[1]),
                                       bind_error(addresses[0]), bind_error(addresses[1])};
                  }),
            (std::vector{0, EACCES, EACCES, EADDRINUSE}));
}

// A listening UNIX socket. An address that begins with a null byte is an abstract one, which is no file.
UniqueFd listening(const std::string& at, Address& address) {
  address = unix_address(at);
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::bind(socket.get(), address.get(), address.size), 0) << at;
  EXPECT_EQ(::listen(socket.get(), 4), 0);
  return socket;
}

int connect_unix(const Address& address) {
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return error_of(::connect(socket.get(), address.get(), address.size));
}

TEST_F(LandlockTest, OnlyNamedUnixSocketsMayBeConnectedTo) {
  Address named, other;
  const UniqueFd one = listening(in("socket"), named);
  const UniqueFd two = listening(out("socket"), other);
  const auto errors = tried({.connect_sockets = {in("")}}, [&] {
    return std::vector{connect_unix(named), connect_unix(other)};
  });
  EXPECT_EQ(errors, (std::vector{0, landlock_abi() >= 9 ? EACCES : 0}));
}

TEST_F(LandlockTest, AbstractUnixSocketsOfOthersAreOutOfReach) {
  if (landlock_abi() < 6) GTEST_SKIP() << "this kernel's Landlock knows no scopes";
  Address address;
  const UniqueFd socket =
      listening(std::string(1, '\0') + "localproxy-test-" + std::to_string(::getpid()), address);
  EXPECT_EQ(tried({.connect_sockets = {"/"}}, [&] { return std::vector{connect_unix(address)}; }),
            std::vector{EPERM});
  EXPECT_EQ(tried({.scope_signals = false}, [&] { return std::vector{connect_unix(address)}; }),
            std::vector{EPERM});
}

TEST_F(LandlockTest, ADeathSignalLeavesADomainThatDoesNotScopeSignals) {
  // The pipe to the parent is closed when both have ended.
  const Ended ended = in_child([](const Child::Say& say) {
    auto ready = make_socketpair(SOCK_STREAM);
    if (!ready || ::fcntl(ready->first.get(), F_SETFL, 0) != 0) return 2;
    const pid_t survivor = ::fork();
    if (survivor == 0) {
      if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || ::write(ready->second.get(), "r", 1) != 1)
        ::_exit(1);
      // So that no process is left behind when this fails.
      ::alarm(60);
      ::pause();
    }
    char byte = 0;
    if (survivor < 0 || ::read(ready->first.get(), &byte, 1) != 1 || !test::no_new_privs()) return 3;
    const auto entered = enter_landlock({.scope_signals = false});
    if (!entered) say(entered.error().text());
    return 0;
  });
  EXPECT_EQ(ended.status, 0) << ended.said;
}

TEST_F(LandlockTest, WithoutNoNewPrivsItIsRefused) {
  const Ended ended = in_child([](const Child::Say& say) {
    // Root does not need no-new-privs.
    if (::geteuid() == 0 && !become({12'345, 12'345}).ok()) return 2;
    const auto entered = enter_landlock({});
    if (!entered.ok()) say(entered.error().text());
    return 0;
  });
  EXPECT_THAT(ended.said, HasSubstr("landlock_restrict_self: Operation not permitted"));
}

TEST(NoLandlockTest, AKernelWithoutItIsRefusedWithAWayOut) {
  if (landlock_abi() > 0) GTEST_SKIP() << "this kernel has Landlock";
  const auto entered = enter_landlock({});
  ASSERT_FALSE(entered.ok());
  EXPECT_THAT(entered.error().text(), HasSubstr("--sandbox=no-landlock"));
}

}  // namespace
}  // namespace localproxy::sandbox
