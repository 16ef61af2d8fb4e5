// An attempt, as far as it gets without a launch process: what ends it, and what it logs about that.
#include "monitor/attempt.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/unit/bridge/tcp_pair.h"
#include "tests/unit/ipc/run_loop.h"

namespace localproxy::monitor {
namespace {

using localproxy::test::listen_on;
using localproxy::test::run_ready;
using localproxy::test::run_until;

class AttemptTest : public testing::Test {
 protected:
  void begin(const std::string& host, uint16_t port) {
    config_.endpoint.host = host;
    config_.endpoint.port = port;
    attempt_ = std::make_unique<Attempt>(loop_, log_, config_, launcher_, resolver_,
                                         Attempt::Events{.on_secrets_used = [this] { ++secrets_used_; },
                                                         .on_up = [](const std::vector<std::string>&) {},
                                                         .on_end =
                                                             [this](const Attempt::End& how) {
                                                               ++ends_;
                                                               end_ = how;
                                                             }});
    // Without a launch process this has no effect, and is no error.
    attempt_->prepare();
    attempt_->connect();
    EXPECT_EQ(ends_, 0) << "no callback from inside a call";
  }
  const Attempt::End& end_of(const std::string& host, uint16_t port) {
    begin(host, port);
    EXPECT_TRUE(run_until(loop_, [this] { return ends_ > 0; }));
    run_ready(loop_);
    EXPECT_EQ(ends_, 1);
    EXPECT_EQ(secrets_used_, 0);
    EXPECT_FALSE(attempt_->served().has_value());
    EXPECT_FALSE(attempt_->stop()) << "there is no net process";
    return end_;
  }

  event::Loop loop_;
  StderrLog log_{LogLevel::kOff};
  Launcher launcher_{loop_, log_, [] {}};
  Resolver resolver_{loop_, launcher_, {}};
  config::Config config_;
  int secrets_used_ = 0;
  int ends_ = 0;
  Attempt::End end_{};
  std::unique_ptr<Attempt> attempt_;
};

TEST_F(AttemptTest, ANameThatCannotBeResolved) {
  const Attempt::End& end = end_of("name.invalid", 443);
  EXPECT_EQ(end.reason, Attempt::Reason::kNotResolved);
  EXPECT_EQ(end.text,
            "cannot resolve name.invalid: the launch process was not started (the name of the service comes "
            "from -e or -r)");
}

TEST_F(AttemptTest, AWebProxyThatCannotBeResolvedIsNamedAsOne) {
  config_.web_proxy.emplace();
  config_.web_proxy->host = "proxy.invalid";
  config_.web_proxy->port = 3128;
  const Attempt::End& end = end_of("127.0.0.1", 443);
  EXPECT_EQ(end.reason, Attempt::Reason::kNotResolved);
  EXPECT_EQ(end.text, "cannot resolve the web proxy proxy.invalid: the launch process was not started");
}

TEST_F(AttemptTest, AnAddressThatRefuses) {
  Address address = *parse_address("127.0.0.1", 0);
  const UniqueFd bound(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(bound.get(), address.get(), address.size), 0);
  ASSERT_EQ(::getsockname(bound.get(), reinterpret_cast<sockaddr*>(&address.storage), &address.size), 0);
  const Attempt::End& end = end_of("127.0.0.1", address.port());
  EXPECT_EQ(end.reason, Attempt::Reason::kNotConnected);
  EXPECT_EQ(end.text,
            "cannot connect to the service: " + to_string(address) + ": connect: Connection refused");
}

TEST_F(AttemptTest, ANetProcessThatCannotBeStarted) {
  Address address = *parse_address("127.0.0.1", 0);
  const UniqueFd listener = listen_on(address);
  const Attempt::End& end = end_of("127.0.0.1", address.port());
  EXPECT_EQ(end.reason, Attempt::Reason::kNoProcess);
  EXPECT_EQ(end.text, "cannot start the net process: the launch process was not started");
}

TEST_F(AttemptTest, SaysNothingAfterItIsDestroyed) {
  Address address = *parse_address("127.0.0.1", 0);
  const UniqueFd listener = listen_on(address);
  for (const char* host : {"name.invalid", "127.0.0.1"}) {
    begin(host, address.port());
    attempt_.reset();
    run_ready(loop_);
    EXPECT_EQ(ends_, 0);
  }
}

}  // namespace
}  // namespace localproxy::monitor
