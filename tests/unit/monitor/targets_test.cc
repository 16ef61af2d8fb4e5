// Resolver and Targets, without a resolve process.
#include "monitor/targets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>

#include <map>

#include "tests/unit/bridge/tcp_pair.h"
#include "tests/unit/ipc/run_loop.h"

namespace localproxy::monitor {
namespace {

using localproxy::test::listen_on;
using localproxy::test::run_ready;
using localproxy::test::run_until;
using testing::ElementsAre;
using testing::HasSubstr;

class TargetsTest : public testing::Test {
 protected:
  void SetUp() override {
    config_.mode = config::Mode::kDestination;
    config_.settings.connect_tries = 3;
    config_.settings.connect_retry_delay = std::chrono::milliseconds(1);
    config_.settings.max_connections = 2;
    config_.services = {{"bad", {.host = "127.0.0.1", .port = refusing_port()}},
                        {"good", {.host = "127.0.0.1", .port = good_.port()}}};
    targets_.set_mappings({1, 0});  // 0: good, 1: bad
  }
  uint16_t refusing_port() {
    Address address = *parse_address("127.0.0.1", 0);
    bound_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(bound_.get(), address.get(), address.size), 0);
    EXPECT_EQ(::getsockname(bound_.get(), reinterpret_cast<sockaddr*>(&address.storage), &address.size), 0);
    return address.port();
  }
  bool wait_for(size_t results) {
    return run_until(loop_, [&] { return results_.size() >= results; });
  }

  event::Loop loop_;
  StderrLog log_{LogLevel::kOff};
  // Without a launch process nothing can be looked up.
  Launcher launcher_{loop_, log_, [] {}};
  Resolver resolver_{loop_, launcher_, {}};
  Address good_ = *parse_address("127.0.0.1", 0);
  UniqueFd listener_ = listen_on(good_);
  UniqueFd bound_;
  config::Config config_;
  // By cookie: empty when connected, or the error.
  std::multimap<uint32_t, std::string> results_;
  Targets targets_{loop_, log_, resolver_, config_, {}, [this](uint32_t cookie, Result<Connected> connected) {
                     results_.emplace(cookie, connected.ok() ? "" : connected.error().text());
                   }};
};

TEST_F(TargetsTest, ConnectsToTheMappedService) {
  ASSERT_TRUE(targets_.dial(0, 7));
  ASSERT_TRUE(wait_for(1));
  EXPECT_THAT(results_, ElementsAre(testing::Pair(7, "")));
}

TEST_F(TargetsTest, GivesUpAfterItsTries) {
  ASSERT_TRUE(targets_.dial(1, 8));
  ASSERT_TRUE(wait_for(1));
  EXPECT_THAT(results_, ElementsAre(testing::Pair(
                            8, testing::AllOf(HasSubstr("cannot connect to the local service at 127.0.0.1:"),
                                              HasSubstr("Connection refused")))));
  EXPECT_TRUE(targets_.dial(1, 8)) << "the cookie is free again";
}

TEST_F(TargetsTest, TriesAgainUntilSomebodyListens) {
  config_.settings.connect_tries = -1;
  ASSERT_TRUE(targets_.dial(1, 8));
  int turns = 0;
  ASSERT_TRUE(run_until(loop_, [&] {
    if (++turns == 20) {
      EXPECT_EQ(::listen(bound_.get(), 1), 0);
    }
    return !results_.empty();
  }));
  EXPECT_THAT(results_, ElementsAre(testing::Pair(8, "")));
}

TEST_F(TargetsTest, RefusesWhatTheBridgeMayNotAskFor) {
  EXPECT_FALSE(targets_.dial(2, 1)) << "no such service";
  EXPECT_FALSE(targets_.dial(UINT16_MAX, 1)) << "no such service";
  EXPECT_TRUE(targets_.dial(1, 1));
  EXPECT_FALSE(targets_.dial(0, 1)) << "the cookie is in use";
}

TEST_F(TargetsTest, TooManyAtOnceFailAndAreNoBreach) {
  config_.settings.connect_retry_delay = std::chrono::hours(1);
  for (uint32_t cookie = 1; cookie <= 4; ++cookie)
    ASSERT_TRUE(targets_.dial(1, cookie));
  ASSERT_TRUE(targets_.dial(0, 5)) << "two services with two connections each";
  EXPECT_TRUE(results_.empty()) << "nobody is called back from inside";
  ASSERT_TRUE(wait_for(1));
  EXPECT_THAT(results_, ElementsAre(testing::Pair(5, HasSubstr("too many"))));
}

TEST_F(TargetsTest, WithoutMappingsNothingIsDialled) {
  targets_.set_mappings({});
  EXPECT_FALSE(targets_.dial(0, 1));
}

TEST_F(TargetsTest, ACancelledDialSaysNothing) {
  ASSERT_TRUE(targets_.dial(0, 7));
  ASSERT_TRUE(targets_.dial(0, 8));
  targets_.cancel(7);
  targets_.cancel(99);
  ASSERT_TRUE(wait_for(1));
  run_ready(loop_);
  EXPECT_THAT(results_, ElementsAre(testing::Pair(8, "")));
}

TEST_F(TargetsTest, AUnixSocketIsATarget) {
  config_.services[0].address = {.kind = config::LocalAddress::Kind::kUnix, .path = "/nowhere/at/all"};
  config_.settings.connect_tries = 1;
  ASSERT_TRUE(targets_.dial(1, 8));
  ASSERT_TRUE(wait_for(1));
  EXPECT_THAT(results_.find(8)->second, HasSubstr("/nowhere/at/all: connect: No such file or directory"));
}

// ---- Resolver ----

TEST_F(TargetsTest, WhatIsKnownIsAnsweredFromTheLoop) {
  std::vector<std::string> found;
  resolver_.resolve("localhost", 80, [&](Result<Addresses> addresses) {
    for (const Address& address : *addresses)
      found.push_back(to_string(address));
  });
  EXPECT_THAT(found, ElementsAre());
  run_ready(loop_);
  EXPECT_THAT(found, ElementsAre("127.0.0.1:80", "[::1]:80"));
}

TEST_F(TargetsTest, AResolverThatHasEndedAnswersNobody) {
  auto resolver = std::make_unique<Resolver>(loop_, launcher_, ipc::Setup());
  int answers = 0;
  resolver->resolve("localhost", 80, [&](Result<Addresses>) { ++answers; });
  resolver->resolve("name.invalid", 80, [&](Result<Addresses>) { ++answers; });
  resolver.reset();
  run_ready(loop_);
  EXPECT_EQ(answers, 0);
}

TEST_F(TargetsTest, ALookupWhoseProcessFailsIsAnErrorForAllWhoWait) {
  std::vector<std::string> errors;
  const auto callback = [&](Result<Addresses> addresses) {
    errors.push_back(addresses.ok() ? "" : addresses.error().text());
  };
  resolver_.resolve("name.invalid", 80, callback);
  resolver_.resolve("name.invalid", 81, callback);
  ASSERT_TRUE(run_until(loop_, [&] { return errors.size() == 2; }));
  EXPECT_EQ(errors[0], "cannot resolve name.invalid: the launch process was not started");
  EXPECT_EQ(errors[1], errors[0]);
  // And the next one starts another process.
  resolver_.resolve("name.invalid", 82, callback);
  ASSERT_TRUE(run_until(loop_, [&] { return errors.size() == 3; }));
}

}  // namespace
}  // namespace localproxy::monitor
